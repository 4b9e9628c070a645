// A decoder of ThumbHash (https://evanw.github.io/thumbhash/): some 25 bytes hold the lowest
// frequencies of a picture's luminance, two colour differences and alpha, as factors of a
// discrete cosine transform.

// decode makes {width, height, pixels (RGBA)} of a hash in base64, at most 32 pixels a side;
// null where it is none.
export function decode(base64) {
  let hash;
  try { hash = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)); } catch { return null; }
  if (hash.length < 5) return null;
  const head = hash[0] | (hash[1] << 8) | (hash[2] << 16);
  const tail = hash[3] | (hash[4] << 8);
  const alpha = head >> 23;
  const wide = tail >> 15;
  if (alpha && hash.length < 6) return null;
  const lx = Math.max(3, wide ? (alpha ? 5 : 7) : tail & 7);
  const ly = Math.max(3, wide ? tail & 7 : (alpha ? 5 : 7));

  // The factors follow as nibbles.
  let at = (alpha ? 6 : 5) * 2;
  const nibble = () => {
    const byte = hash[at >> 1] ?? 0;
    return at++ & 1 ? byte >> 4 : byte & 15;
  };
  const channel = (nx, ny, dc, scale) => {
    const ac = [];
    for (let cy = 0; cy < ny; cy++) {
      for (let cx = cy ? 0 : 1; cx * ny < nx * (ny - cy); cx++) ac.push((nibble() / 7.5 - 1) * scale);
    }
    return { nx, ny, dc, ac };
  };
  const luma = channel(lx, ly, (head & 63) / 63, ((head >> 18) & 31) / 31);
  // Colours are saturated a little: quantizing makes them pale.
  const p = channel(3, 3, ((head >> 6) & 63) / 31.5 - 1, (((tail >> 3) & 63) / 63) * 1.25);
  const q = channel(3, 3, ((head >> 12) & 63) / 31.5 - 1, (((tail >> 9) & 63) / 63) * 1.25);
  const a = alpha ? channel(5, 5, (hash[5] & 15) / 15, (hash[5] >> 4) / 15) : null;

  const ratio = lx / ly;
  const width = Math.max(1, Math.round(ratio > 1 ? 32 : 32 * ratio));
  const height = Math.max(1, Math.round(ratio > 1 ? 32 / ratio : 32));
  const pixels = new Uint8ClampedArray(width * height * 4);
  const waves = (n, size, i) => Array.from({ length: n }, (_, k) => Math.cos((Math.PI / size) * (i + 0.5) * k));
  const across = Array.from({ length: width }, (_, x) => waves(7, width, x));
  for (let y = 0, i = 0; y < height; y++) {
    const down = waves(7, height, y);
    for (let x = 0; x < width; x++, i += 4) {
      const value = ({ nx, ny, dc, ac }) => {
        let v = dc;
        for (let cy = 0, j = 0; cy < ny; cy++) {
          for (let cx = cy ? 0 : 1; cx * ny < nx * (ny - cy); cx++, j++) v += ac[j] * across[x][cx] * down[cy] * 2;
        }
        return v;
      };
      const l = value(luma);
      const pv = value(p);
      const qv = value(q);
      const b = l - (2 / 3) * pv;
      const r = (3 * l - b + qv) / 2;
      pixels[i] = r * 255;
      pixels[i + 1] = (r - qv) * 255;
      pixels[i + 2] = b * 255;
      pixels[i + 3] = a ? value(a) * 255 : 255;
    }
  }
  return { width, height, pixels };
}

// paint shows a hash on a canvas; it reports whether there was anything to show.
export function paint(canvas, base64) {
  const picture = base64 ? decode(base64) : null;
  if (!picture) return false;
  canvas.width = picture.width;
  canvas.height = picture.height;
  canvas.getContext('2d').putImageData(new ImageData(picture.pixels, picture.width, picture.height), 0, 0);
  return true;
}
