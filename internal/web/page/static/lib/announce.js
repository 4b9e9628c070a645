// What screen readers are told. News that come in a burst are told together.

let waiting = [];
let timer = 0;

// announce tells of something when there is a pause.
export function announce(text) {
  waiting.push(text);
  if (timer) return;
  timer = setTimeout(() => {
    timer = 0;
    const told = waiting.length > 3 ? [...waiting.slice(0, 2), `and ${waiting.length - 2} more.`] : waiting;
    waiting = [];
    document.querySelector('#announce').textContent = told.join(' ');
  }, 700);
}

// alarm tells of something at once.
export function alarm(text) {
  document.querySelector('#alarm').textContent = text;
}
