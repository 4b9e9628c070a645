// Calls to the web tier's API and to S3. Every failure is an Error with words for people.

async function answer(response) {
  if (response.ok) return response.status === 204 ? null : response.json();
  let text = `The server answered ${response.status}.`;
  try {
    const p = await response.json();
    text = [p.detail, p.hint].filter(Boolean).join(' ') || p.title || text;
  } catch { /* not a problem document: the status has to do */ }
  const error = new Error(text);
  error.status = response.status;
  throw error;
}

async function call(method, path, body) {
  let response;
  try {
    response = await fetch(path, body === undefined ? { method } : {
      method, headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body),
    });
  } catch {
    throw new Error('The server cannot be reached.');
  }
  return answer(response);
}

export const list = (cursor) => call('GET', `/api/images?limit=24${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`);
export const image = (id) => call('GET', `/api/images/${encodeURIComponent(id)}`);
export const remove = (id) => call('DELETE', `/api/images/${encodeURIComponent(id)}`);
export const retry = (id, job) => call('POST', `/api/images/${encodeURIComponent(id)}/retry`, job);
export const deadLetters = (limit) => call('GET', `/api/deadletters?limit=${limit}`);
// deadLettersAct: what is "redrive" or "drop", which is {messageIds: […]} or {all: true}.
export const deadLettersAct = (what, which) => call('POST', `/api/deadletters/${what}`, which);
export const startUpload = (file, job) => call('POST', '/api/uploads', {
  filename: file.name, size: file.size, contentType: file.type, ...job,
});

// send posts a file straight to S3 with a presigned form. XMLHttpRequest, because fetch
// tells nothing of an upload's progress.
export function send(form, file, onProgress) {
  return new Promise((resolve, reject) => {
    const data = new FormData();
    for (const [name, value] of Object.entries(form.fields)) data.append(name, value);
    data.append('file', file); // S3 ignores what comes after it
    const xhr = new XMLHttpRequest();
    xhr.upload.addEventListener('progress', (e) => { if (e.lengthComputable) onProgress(e.loaded / e.total); });
    xhr.addEventListener('load', () => {
      if (xhr.status >= 200 && xhr.status < 300) resolve();
      else reject(new Error(refusal(xhr)));
    });
    xhr.addEventListener('error', () => reject(new Error('The connection to the storage was lost. Try again.')));
    xhr.addEventListener('abort', () => reject(new Error('The upload was stopped.')));
    xhr.open('POST', form.url);
    xhr.send(data);
  });
}

function refusal(xhr) {
  const code = /<Code>(\w+)<\/Code>/.exec(xhr.responseText || '')?.[1];
  if (code === 'EntityTooLarge') return 'The file is larger than allowed.';
  if (code === 'EntityTooSmall') return 'The file is empty.';
  return `The storage refused the file (${code || xhr.status}).`;
}
