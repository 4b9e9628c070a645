// What people hear who do not see the page. Figures change all the time: of several things to
// say within ten seconds, the last is said, and nothing is said twice in a row.

const between = 10000; // ms

let said = '';
let next = '';
let timer = 0;
let free = 0; // when the next thing may be said

function speak() {
  timer = 0;
  if (next === said || !next) return;
  said = next;
  free = Date.now() + between;
  document.querySelector('#announce').textContent = said;
}

// say announces a text in its turn.
export function say(text) {
  next = text;
  if (!timer) timer = setTimeout(speak, Math.max(0, free - Date.now()));
}
