// Calls to the web tier's API. Every failure is a Refusal with words for people.

export class Refusal extends Error {
  constructor(text, { status = 0, code = '', hint = '', retryAfter = 0 } = {}) {
    super(text);
    Object.assign(this, { status, code, hint, retryAfter });
  }

  // passing: trying again later may help.
  get passing() { return this.status === 0 || this.status === 429 || this.status === 503; }
}

// refusalOf makes one of an answer's status, text and Retry-After.
export function refusalOf(status, body, retryAfter) {
  let p = {};
  try { p = JSON.parse(body) ?? {}; } catch { /* not a problem document: the status has to do */ }
  const text = [p.detail || p.title, p.hint].filter((t) => typeof t === 'string' && t).join(' ');
  return new Refusal(text || `The server answered ${status}.`, { status, code: p.code, hint: p.hint, retryAfter: Number(retryAfter) || 0 });
}

export async function call(method, path, body, signal) {
  let response;
  try {
    response = await fetch(path, body === undefined ? { method, signal } : {
      method, signal, headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Refusal('The server cannot be reached.');
  }
  if (!response.ok) throw refusalOf(response.status, await response.text(), response.headers.get('Retry-After'));
  return response.status === 204 ? null : response.json();
}

const of = (id) => `/api/images/${encodeURIComponent(id)}`;

export function list({ cursor = '', limit = 60, status = '', recipe = '', q = '' }, signal) {
  const query = new URLSearchParams({ limit });
  for (const [name, value] of Object.entries({ cursor, status, recipe, q })) if (value) query.set(name, value);
  return call('GET', `/api/images?${query}`, undefined, signal);
}
export const image = (id, signal) => call('GET', of(id), undefined, signal);
export const manifest = (id, signal) => call('GET', `${of(id)}/manifest`, undefined, signal);
export const remove = (id) => call('DELETE', of(id));
export const retry = (id, job) => call('POST', `${of(id)}/retry`, job);

let known = null;
// config is what the server says of itself: mode, limits, recipes. Asked for once.
export function config() {
  known ??= call('GET', '/api/config').catch((error) => { known = null; throw error; });
  return known;
}
export const deadLetters = (limit) => call('GET', `/api/deadletters?limit=${limit}`);
// deadLettersAct: what is "redrive" or "drop", which is {messageIds: […]} or {all: true}.
export const deadLettersAct = (what, which) => call('POST', `/api/deadletters/${what}`, which);
