// Runs before the page is drawn: what needs scripts is shown from the first moment on.
document.documentElement.classList.add('js');
