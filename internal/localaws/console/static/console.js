// What scripts add to the console's pages: they stay up to date, and addresses can be copied.
import { follow } from './live.js';

const live = document.querySelector('#live');
if (document.body.hasAttribute('data-live')) follow(live);

document.documentElement.classList.add('scripts');
document.addEventListener('click', async (event) => {
  const button = event.target.closest('button[data-copy]');
  if (!button) return;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    say(button, 'copied');
  } catch { // not allowed, or no secure context: the text beside it can be selected
    getSelection().selectAllChildren(button.previousElementSibling);
    say(button, 'selected');
  }
});

function say(button, text) {
  button.textContent = text;
  setTimeout(() => { button.textContent = 'copy'; }, 1500);
}

// A note of what was just done goes away, and does not come back with a reload.
const note = document.querySelector('#note');
if (note) {
  const url = new URL(location.href);
  url.searchParams.delete('did');
  history.replaceState(null, '', url);
  setTimeout(() => note.classList.add('gone'), 4000);
}

// "/" goes to the filter, as in other consoles.
document.addEventListener('keydown', (event) => {
  if (event.key !== '/' || event.ctrlKey || event.metaKey || event.altKey || event.target.closest('input, textarea')) return;
  const field = document.querySelector('input[type=search]');
  if (field) {
    event.preventDefault();
    field.focus();
  }
});
