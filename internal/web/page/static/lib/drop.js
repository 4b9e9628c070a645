// Files that are dropped anywhere on any page, and files that are pasted.

import { $ } from './dom.js';

const carriesFiles = (e) => e.dataTransfer && [...e.dataTransfer.types].includes('Files');

const most = 5000; // files out of folders

// filesOf are the files of a drop, those in its folders too.
async function filesOf(transfer) {
  // Both must be asked for before anything is waited for: afterwards the drop is over.
  const files = [...transfer.files];
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.());
  if (!entries.some((entry) => entry?.isDirectory)) return files;
  const out = [];
  const open = entries.filter(Boolean);
  while (open.length > 0 && out.length < most) {
    const entry = open.shift();
    try {
      if (entry.isFile) {
        out.push(await new Promise((resolve, reject) => { entry.file(resolve, reject); }));
      } else {
        const reader = entry.createReader();
        for (let some; (some = await new Promise((resolve, reject) => { reader.readEntries(resolve, reject); })).length > 0;) {
          open.push(...some.filter((e) => !e.name.startsWith('.')));
        }
      }
    } catch { /* what cannot be read is left out */ }
  }
  return out;
}

export function dropAnywhere(take) {
  const veil = $('#veil');
  let inside = 0;
  addEventListener('dragenter', (e) => { if (carriesFiles(e)) { inside += 1; veil.hidden = false; } });
  addEventListener('dragleave', (e) => { if (carriesFiles(e) && --inside <= 0) { inside = 0; veil.hidden = true; } });
  // Missing a zone by a little must not leave the page.
  addEventListener('dragover', (e) => { if (carriesFiles(e)) e.preventDefault(); });
  addEventListener('drop', (e) => {
    if (!carriesFiles(e)) return;
    e.preventDefault();
    inside = 0;
    veil.hidden = true;
    filesOf(e.dataTransfer).then(take);
  });
  addEventListener('paste', (e) => {
    const files = [...e.clipboardData?.files ?? []];
    if (files.length === 0) return;
    e.preventDefault();
    take(files);
  });
}
