// mount brings the page to life; what it starts ends when signal is aborted.
export function mount(main, { signal }) {
}
