// What can be said of a file before it is sent: its kind by its first bytes, and a small
// picture of it. The server judges again; this saves people the way.

const ascii = (b, from, text) => [...text].every((c, i) => b[from + i] === c.charCodeAt(0));

// kind is an image format by a file's first bytes, or ''.
export function kind(b) {
  if (b[0] === 0xff && b[1] === 0xd8 && b[2] === 0xff) return 'jpeg';
  if (b[0] === 0x89 && ascii(b, 1, 'PNG\r\n')) return 'png';
  if (ascii(b, 0, 'GIF8')) return 'gif';
  if (ascii(b, 0, 'RIFF') && ascii(b, 8, 'WEBP')) return 'webp';
  if (ascii(b, 0, 'II*\0') || ascii(b, 0, 'MM\0*') || ascii(b, 0, 'II+\0') || ascii(b, 0, 'MM\0+')) return 'tiff';
  if (ascii(b, 4, 'ftyp')) {
    const brands = String.fromCharCode(...b.slice(8, 64));
    if (/avi[fs]/.test(brands)) return 'avif';
    if (/hei[cxmsf]|hev[cmx]|mif1|msf1/.test(brands)) return 'heif';
  }
  return '';
}

// fault is why a file cannot be sent, or ''.
export async function fault(file, limit, limitText) {
  if (file.size === 0) return 'is empty';
  if (file.size > limit) return `is larger than ${limitText}`;
  let head;
  try {
    head = new Uint8Array(await file.slice(0, 64).arrayBuffer());
  } catch {
    return 'cannot be read'; // a folder, or gone meanwhile
  }
  return kind(head) ? '' : 'is not an image that is known here';
}

const side = 192; // pixels of a small picture
const atOnce = 2;
const kept = 600;
const cache = new Map(); // file -> canvas, the longest unused first
const queue = [];
let running = 0;

async function paint(file) {
  // The browser scales while it decodes: a whole photograph never stays in memory.
  const whole = await createImageBitmap(file, { resizeWidth: side, resizeQuality: 'low' });
  const scale = side / Math.max(whole.width, whole.height);
  const canvas = document.createElement('canvas');
  canvas.width = Math.max(1, Math.round(whole.width * scale));
  canvas.height = Math.max(1, Math.round(whole.height * scale));
  canvas.getContext('2d').drawImage(whole, 0, 0, canvas.width, canvas.height);
  whole.close();
  return canvas;
}

async function work() {
  running += 1;
  await null; // who asks puts its canvas into the page first
  while (queue.length > 0) {
    const job = queue.pop(); // the last that was asked for is what is looked at
    if (!job.wanted()) { job.resolve(null); continue; }
    let canvas = null;
    try { canvas = await paint(job.file); } catch { /* a format that this browser does not show */ }
    cache.set(job.file, canvas);
    if (cache.size > kept) cache.delete(cache.keys().next().value);
    job.resolve(canvas);
  }
  running -= 1;
}

// small makes a small picture of a file, or null; two at a time, and none that is not wanted
// any more when its turn comes.
export function small(file, wanted = () => true) {
  if (cache.has(file)) {
    const canvas = cache.get(file);
    cache.delete(file);
    cache.set(file, canvas);
    return Promise.resolve(canvas);
  }
  return new Promise((resolve) => {
    queue.push({ file, wanted, resolve });
    if (running < atOnce) work();
  });
}

// draw shows a file's small picture on a canvas of the page.
export async function draw(file, canvas) {
  canvas.file = file;
  const picture = await small(file, () => canvas.isConnected && canvas.file === file);
  if (!picture || canvas.file !== file) return false;
  canvas.width = picture.width;
  canvas.height = picture.height;
  canvas.getContext('2d').drawImage(picture, 0, 0);
  canvas.hidden = false;
  return true;
}
