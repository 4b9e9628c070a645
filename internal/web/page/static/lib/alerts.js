// What wants attention, in the navigation: how many dead letters there are, how many images
// failed lately, and whether the app tier is at work.

import { $, h, setText } from './dom.js';
import { feed } from './feed.js';
import { plural } from './format.js';
import { Flow, verdict } from '../pipeline/state.js';

const every = 10000; // ms between two asks

function mark(sections, name) {
  const link = $(`[data-section=${name}]`, sections);
  const sign = h('span', { 'aria-hidden': 'true' });
  const words = h('span', { class: 'unseen' });
  const badge = h('span', { class: 'alerts', data: { for: name }, hidden: true }, sign, words);
  link.append(badge);
  return (short, long) => {
    badge.hidden = !short;
    badge.title = long;
    setText(sign, short);
    setText(words, long ? `: ${long}` : '');
  };
}

const short = (n) => (n > 999 ? '999+' : n ? String(n) : '');

// alerts keeps the navigation's signs up to date.
export function alerts(sections) {
  const images = mark(sections, 'images');
  const pipeline = mark(sections, 'pipeline');
  const dead = mark(sections, 'deadletters');
  feed.listen(({ doc, error }) => {
    if (error || !doc) return; // what was known last stays: the page itself says what is away
    const letters = doc.queue?.deadLetters ?? 0;
    dead(short(letters), letters ? plural(letters, 'dead letter') : '');
    const longest = (doc.rates ?? []).reduce((a, b) => (b.seconds > a.seconds ? b : a), { seconds: 0, failed: 0 });
    images(short(longest.failed), longest.failed ? `${plural(longest.failed, 'image')} failed in the last ${plural(Math.max(1, Math.round(longest.seconds / 60)), 'minute')}` : '');
    const v = verdict(doc, new Flow());
    pipeline(v.kind === 'bad' ? '!' : '', v.kind === 'bad' ? v.title : '');
  }, { every });
}
