// The words and figures that say where an image stands; page.go has the same.

import { h } from './dom.js';
import { duration } from './format.js';
import { afterSending } from './transfer.js';

export const labels = { uploading: 'uploading', sent: afterSending, uploaded: 'uploaded', queued: 'waiting', processing: 'in work', done: 'done', failed: 'failed' };

// shown are the formats that browsers display.
export const shown = ['jpeg', 'png', 'webp', 'gif', 'avif'];

export const finished = (doc) => (doc.status === 'done' || doc.status === 'failed' ? Date.parse(doc.timings?.finished ?? '') || 1 : 0);

// jobText is recipe and params, in short.
export function jobText(doc) {
  const params = Object.entries(doc.params ?? {});
  return [
    doc.recipe,
    ...params.filter(([, v]) => typeof v === 'string').map(([, v]) => v), // colours and words speak for themselves
    ...params.filter(([, v]) => v === true || (typeof v === 'number' && v !== 1)).map(([name, v]) => (v === true ? name : `${name} ${v}`)),
  ].filter(Boolean).join(' · ');
}

const colour = /^#[0-9a-f]{6}$/;

// showJob shows jobText with colours as dots; their names stay, unseen.
export function showJob(el, doc) {
  const text = jobText(doc);
  if (el.dataset.job === text) return;
  el.dataset.job = text;
  el.title = text;
  el.replaceChildren(...text.split(' · ').flatMap((part, i) => {
    const before = i > 0 ? [' · '] : [];
    if (!colour.test(part)) return [...before, part];
    const dot = h('span', { class: 'dot' }, h('span', { class: 'unseen', text: part }));
    dot.style.background = part;
    return [...before, dot];
  }));
}

// plain is what went wrong in the words of somebody who has a picture, not a system.
const plain = {
  not_an_image: 'This file is no image.',
  unsupported_format: 'Images of this format are not taken here.',
  corrupt_image: 'The file is damaged.',
  empty_file: 'The file is empty.',
  too_large: 'The file is too large.',
  too_many_pixels: 'The picture has too many pixels.',
  side_too_long: 'The picture is too wide or too high.',
  too_many_frames: 'The animation has too many frames.',
  image_timeout: 'The picture takes too long to process.',
  image_memory: 'The picture takes too much memory to process.',
  image_crash: 'The picture cannot be processed.',
  unknown_recipe: 'There is no such recipe.',
  bad_parameter: 'The recipe was given a value that it does not take.',
  bad_asset: 'A picture that the recipe needs cannot be used.',
  not_built_in: 'This installation cannot do what the recipe asks for.',
  source_gone: 'The original was deleted before its turn came.',
};

// explain is a failure as {title, message, hint, code}; title and message are never the same.
export function explain(error) {
  const title = plain[error.code] ?? '';
  const message = error.message && error.message !== title ? error.message : '';
  return { title: title || message, message: title ? message : '', hint: error.hint ?? '', code: error.code };
}

// label is the badge of an image.
export function label(doc) {
  if (doc.status === 'done' && doc.timings) return `${labels.done} · ${duration(doc.timings.totalMs)}`;
  if (doc.status === 'processing' && doc.processing?.attempt > 1) return `in work, attempt ${doc.processing.attempt}`;
  return labels[doc.status] ?? doc.status;
}

// fresh makes an output's address change with its content, so that caches can be trusted.
export const fresh = (o) => `${o.url}?v=${encodeURIComponent(o.key.split('/').at(-2) ?? '')}`;
export const original = (doc) => `${doc.source.url}?v=${encodeURIComponent(doc.source.etag ?? '')}`;

// tileOf is the output fit for a tile: the one made for it, or the smallest that is not tiny.
export function tileOf(doc) {
  const fit = (doc.outputs ?? []).filter((o) => shown.includes(o.format));
  return fit.find((o) => o.name === 'thumb')
    ?? fit.filter((o) => o.width >= 240).sort((a, b) => a.width - b.width)[0] ?? fit[0];
}

export const pageOf = (id) => `/images/${encodeURIComponent(id)}`;
