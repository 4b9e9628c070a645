// The pipeline's page: the flow, what is wrong with it, who works, and the last minutes.

import { feed } from '../lib/feed.js';
import { say } from '../lib/say.js';
import { $, h, setText } from '../lib/dom.js';
import { Apps } from '../pipeline/apps.js';
import { Drawing } from '../pipeline/flow.js';
import { Plot, timeTop, wholeTop } from '../pipeline/plot.js';
import { donePerMinute, failedPerMinute, Flow, none, verdict } from '../pipeline/state.js';
import { clock, count, rate, time } from '../pipeline/words.js';

const every = 2000; // ms between two asks
const kept = 600000; // ms of samples that are kept


const plots = [
  { title: 'In the queue', ofQueue: true, top: wholeTop, words: count, series: [{ key: 'waiting', label: 'waiting', of: (p) => p.waiting }, { key: 'inflight', label: 'in flight', of: (p) => p.inFlight }] },
  { title: 'Finished per minute', top: wholeTop, words: rate, series: [{ key: 'done', label: 'done', of: (p) => p.donePerMinute }, { key: 'failed', label: 'failed', of: (p) => p.failedPerMinute }] },
  { title: 'From upload to result', top: timeTop, words: time, series: [{ key: 'p99', label: 'p99', of: (p) => inSeconds(p.p99Ms) }, { key: 'p50', label: 'p50', of: (p) => inSeconds(p.p50Ms) }] },
  { title: 'Oldest image in the queue', ofQueue: true, top: timeTop, words: time, series: [{ key: 'oldest', label: 'age', of: (p) => p.oldestAgeSeconds }] },
];
const inSeconds = (ms) => (ms === null || ms === undefined ? null : ms / 1000);

// samples keeps the points of the plots: the server's own history, and what came since.
function samples() {
  const points = new Map(); // t -> point
  return (doc) => {
    const now = Date.parse(doc.time);
    for (const p of doc.history ?? []) points.set(Date.parse(p.t), { ...p, t: Date.parse(p.t) });
    if (!doc.history?.length) points.set(now, { t: now, donePerMinute: donePerMinute(doc), failedPerMinute: failedPerMinute(doc), ...doc.latency });
    for (const t of points.keys()) if (now - t > kept) points.delete(t);
    return [...points.values()].sort((a, b) => a.t - b.t);
  };
}

// judge shows what a person must know first, and says so when it becomes another thing: not
// with each figure.
function judge(banner) {
  let told = '';
  return (v) => {
    banner.hidden = !v.kind;
    banner.dataset.kind = v.kind;
    setText($('strong', banner), v.title);
    setText($('.text', banner), v.text);
    setText($('code', banner), v.command ?? '');
    $('code', banner).hidden = !v.command;
    const kind = v.kind + v.title.replaceAll(/[\d,.]+/g, '');
    if (kind === told) return;
    if (v.kind) say(`${v.title} ${v.text}`);
    else if (told) say('The pipeline is at work again, and nothing waits for long.');
    told = kind;
  };
}

export function mount(main, { signal }) {
  const root = $('#pipeline', main);
  const away = $('#away', root);
  const updated = $('#updated', root);
  const flow = new Flow();
  const drawing = new Drawing(root);
  const apps = $('#app-list', root) ? new Apps(root) : null;
  const remember = samples();
  const rule = judge($('#verdict', root));
  const charts = plots.filter((p) => apps || !p.ofQueue).map((plot) => {
    const figure = h('figure', { class: 'plot' });
    $('#plots', root).append(figure);
    return new Plot(figure, plot, signal);
  });
  let seen = 0; // when the answer that is shown was heard
  let missing = false;

  feed.listen(({ doc, heard, error }) => {
    root.classList.toggle('old', Boolean(error));
    away.hidden = !error;
    if (error) {
      setText(away, `${error.message} ${doc ? `The figures below are those of ${clock(heard)}.` : 'There are no figures yet.'}`);
      setText(updated, doc ? `as of ${clock(heard)}` : 'no figures yet');
      drawing.run({});
      if (!missing) say(away.textContent);
      missing = true;
      return;
    }
    if (missing) say('The figures are there again.');
    missing = false;
    if (heard === seen) return;
    seen = heard;
    const now = Date.parse(doc.time);
    const coupled = !apps;
    flow.add(doc, now);
    drawing.show(doc, flow, coupled);
    rule(coupled ? none : verdict(doc, flow));
    apps?.show(doc.apps, now);
    const all = remember(doc);
    for (const chart of charts) chart.show(all, now);
    setText(updated, `as of ${clock(heard)}`);
    root.setAttribute('aria-busy', 'false');
  }, { every, history: true, signal });
}
