// Runs before the page is drawn: what needs scripts is shown from the first moment on, and
// in the colours that were chosen.
document.documentElement.classList.add('js');
try {
  const theme = localStorage.getItem('tintype-theme');
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch { /* storage is switched off: the system's colours */ }
