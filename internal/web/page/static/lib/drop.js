// Files that are dropped anywhere on any page, and files that are pasted.

import { $ } from './dom.js';

const carriesFiles = (e) => e.dataTransfer && [...e.dataTransfer.types].includes('Files');

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
    take([...e.dataTransfer.files]);
  });
  addEventListener('paste', (e) => {
    const files = [...e.clipboardData?.files ?? []];
    if (files.length === 0) return;
    e.preventDefault();
    take(files);
  });
}
