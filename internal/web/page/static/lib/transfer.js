// The way of a file to the server. This is the one place that knows of the two architectures:
// decoupled, the file goes straight to S3 with a presigned form and the answer comes later as
// an event; coupled, it goes to the web tier, which holds the request until it has the result.

import { Refusal, call, refusalOf } from './api.js';

export const coupled = document.documentElement.dataset.mode === 'coupled';

// afterSending is what goes on when all of a file is out and no answer has come.
export const afterSending = coupled ? 'waiting for the answer' : 'being stored';

// notDone is what a file is that did not get through: coupled, it may have been uploaded all the same.
export const notDone = coupled ? 'not processed' : 'not uploaded';

// transfer sends a file. On is told: begun({id, key}) where the id is known before the end,
// progress(bytes) of the file, and sent() when all of it is out and the answer is waited for.
// It resolves to {id, doc}; doc is the finished image's document where the answer holds it.
export const transfer = (file, job, on, signal) => (coupled ? through(file, job, on, signal) : straight(file, job, on, signal));

async function straight(file, job, on, signal) {
  const form = await call('POST', '/api/uploads', { filename: file.name, size: file.size, contentType: file.type, ...job }, signal);
  on.begun(form);
  const data = new FormData();
  for (const [name, value] of Object.entries(form.fields)) data.append(name, value);
  data.append('file', file); // S3 ignores what comes after it
  const xhr = await post(form.url, data, file, on, signal);
  if (xhr.status >= 200 && xhr.status < 300) return { id: form.id, key: form.key };
  const code = /<Code>(\w+)<\/Code>/.exec(xhr.responseText || '')?.[1];
  const words = { EntityTooLarge: 'The file is larger than allowed.', EntityTooSmall: 'The file is empty.' };
  throw new Refusal(words[code] ?? `The storage refused the file (${code || xhr.status}).`, { status: xhr.status === 503 || code === 'SlowDown' ? 503 : xhr.status, code });
}

async function through(file, job, on, signal) {
  const data = new FormData();
  data.append('recipe', job.recipe);
  for (const [name, value] of Object.entries(job.params)) data.append(name, String(value));
  data.append('file', file);
  const xhr = await post('/api/images', data, file, on, signal);
  if (xhr.status >= 200 && xhr.status < 300) {
    const doc = JSON.parse(xhr.responseText);
    return { id: doc.id, doc: doc.outputs ? doc : null };
  }
  const refusal = refusalOf(xhr.status, xhr.responseText, xhr.getResponseHeader('Retry-After'));
  if (xhr.status === 502 || xhr.status === 504) {
    refusal.message = `The application server ${xhr.status === 502 ? 'cannot be reached' : 'did not answer in time'} (${xhr.status}): the image was not processed. ${refusal.hint || 'Try again when it is back.'}`;
  }
  throw refusal;
}

// post is a request that tells how much of it is out, which fetch does not.
function post(url, data, file, on, signal) {
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    const stop = () => xhr.abort();
    signal.addEventListener('abort', stop);
    const end = (f) => { signal.removeEventListener('abort', stop); f(); };
    // The form's own fields are counted too: a little more than the file.
    xhr.upload.addEventListener('progress', (e) => {
      if (e.lengthComputable) on.progress(Math.round(file.size * (e.loaded / e.total)));
    });
    xhr.upload.addEventListener('load', () => { on.progress(file.size); on.sent(); });
    xhr.addEventListener('load', () => end(() => resolve(xhr)));
    xhr.addEventListener('error', () => end(() => reject(new Refusal('The connection was lost.'))));
    xhr.addEventListener('abort', () => end(() => reject(new DOMException('stopped', 'AbortError'))));
    xhr.open('POST', url);
    xhr.send(data);
    if (signal.aborted) stop();
  });
}
