// The button that chooses light, dark, or what the system has. boot.js applies the choice
// before the page is drawn.

const key = 'tintype-theme';
const order = ['system', 'light', 'dark'];
const signs = { system: '◐', light: '☀', dark: '☾' };
const words = { system: 'as the system has them', light: 'light', dark: 'dark' };

export function themeButton(button) {
  const root = document.documentElement;
  const show = (theme) => {
    if (theme === 'system') delete root.dataset.theme; else root.dataset.theme = theme;
    button.textContent = signs[theme];
    button.title = `Colours: ${words[theme]}`;
    button.setAttribute('aria-label', `Colours: ${words[theme]}. Press to change.`);
  };
  let theme = root.dataset.theme ?? 'system';
  show(theme);
  button.addEventListener('click', () => {
    theme = order[(order.indexOf(theme) + 1) % order.length];
    show(theme);
    try {
      if (theme === 'system') localStorage.removeItem(key); else localStorage.setItem(key, theme);
    } catch { /* for this visit only */ }
  });
}
