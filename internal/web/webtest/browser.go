// Package webtest drives the web tier's page in a real browser.
//
// It knows the page only by what a person or a script sees, and the system by its URL
// alone: the same check runs against a web tier with a stand-in behind it and against
// the complete system. It is for tests; it skips them, saying so, where no Chromium is
// installed. Of ours it imports nothing.
package webtest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// ScreenshotDirEnv names the directory where screenshots are kept; without it they go to the
// test's artifacts, which `go test -artifacts` keeps.
const ScreenshotDirEnv = "TINTYPE_SCREENSHOTS"

// patience is how long anything may take that the page waits for.
const patience = 60 * time.Second

// Browser is one tab of a headless Chromium, which collects everything that the page
// complains of.
type Browser struct {
	t    testing.TB
	ctx  context.Context
	base string

	mu         sync.Mutex
	complaints []string
}

// Open starts a browser on base, the page's URL. It skips the test where there is no Chromium.
func Open(t testing.TB, base string) *Browser {
	t.Helper()
	return OpenAt(t, base, "/", "#go")
}

// OpenAt is Open for any page of any server: it waits for what a CSS selector matches.
func OpenAt(t testing.TB, base, path, selector string) *Browser {
	t.Helper()
	b := &Browser{t: t, base: strings.TrimSuffix(base, "/")}
	binary := chromium()
	if binary == "" {
		t.Skip("no Chromium is installed: the page is not looked at in a browser")
	}
	opts := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(binary), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.WindowSize(1280, 900),
		// File names are bytes that the browser reads by the locale; tests have names beyond ASCII.
		chromedp.Env("LC_ALL=C.UTF-8"),
	)
	ctx, stop := chromedp.NewExecAllocator(context.Background(), opts...)
	ctx, stopTab := chromedp.NewContext(ctx)
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			t.Logf("close browser: %v", err)
		}
		stopTab()
		stop()
	})
	b.ctx = ctx
	// The first call starts the browser, which ends with the context of that call: no timeout here.
	if err := chromedp.Listen(ctx, b.listen); err != nil {
		t.Fatalf("start %s: %v", binary, err)
	}
	b.do("open the page",
		call(page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: watch}),
		call(cdplog.Enable, cdp.Empty{}),
	)
	b.Visit(path, selector)
	return b
}

// Visit goes to another page of the same server and waits for what a CSS selector matches.
func (b *Browser) Visit(path, selector string) {
	b.t.Helper()
	b.do("open "+path, chromedp.Navigate(b.base+path), chromedp.WaitVisible(chromedp.CSS(selector)))
}

// OpenWithoutScripts is Open in a browser that runs no scripts.
func OpenWithoutScripts(t testing.TB, base string) *Browser {
	t.Helper()
	b := Open(t, base)
	b.do("open the page without scripts",
		call(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}),
		chromedp.Navigate(b.base+"/"))
	return b
}

// Press clicks the first element that a CSS selector matches, as a mouse does.
func (b *Browser) Press(selector string) {
	b.t.Helper()
	b.do("press "+selector, chromedp.Click(chromedp.CSS(selector)))
}

// keys are those that type nothing.
var keys = map[string]string{
	"Enter": kb.Enter, "Escape": kb.Escape, "Tab": kb.Tab, "Home": kb.Home, "End": kb.End,
	"ArrowRight": kb.ArrowRight, "ArrowLeft": kb.ArrowLeft, "ArrowDown": kb.ArrowDown, "ArrowUp": kb.ArrowUp,
}

// Keys presses keys, one after the other, each by its name in JavaScript ("Enter", "a").
func (b *Browser) Keys(names ...string) {
	b.t.Helper()
	for _, name := range names {
		key, ok := keys[name]
		if !ok {
			key = name
		}
		b.do("press the key "+name, chromedp.KeyEvent(key))
	}
}

// Import makes one of the page's own modules a global of a name.
func (b *Browser) Import(name, module string) {
	b.t.Helper()
	b.Exec(fmt.Sprintf(`import(document.querySelector('script[type=module]').src.replace('app.js', %q)).then((m) => { window[%q] = m; })`, module, name))
	b.Until(module+" is imported", fmt.Sprintf("window[%q]", name))
}

// Forgive waits for a complaint that contains a text, and takes it from the complaints.
func (b *Browser) Forgive(text string) {
	b.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(patience); ; {
		b.mu.Lock()
		i := slices.IndexFunc(b.complaints, func(c string) bool { return strings.Contains(c, text) })
		if i >= 0 {
			b.complaints = slices.Delete(b.complaints, i, i+1)
		}
		b.mu.Unlock()
		if i >= 0 {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			b.t.Fatalf("the page did not complain of %s", text)
		}
	}
}

// call makes an action of a protocol command whose result does not matter.
func call[P, R any](cmd cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		_, err := cdp.Call(ctx, tab, cmd, params)
		return err
	})
}

// watch runs in the page before its own scripts.
const watch = `
window.webtest = { violations: [], progress: {}, loads: performance.now(), shift: 0, shifted: [], paint: 0 };
new PerformanceObserver((l) => {
  for (const e of l.getEntries()) {
    if (e.hadRecentInput) continue;
    webtest.shift += e.value;
    webtest.shifted.push(e.value.toFixed(3) + ' by ' + e.sources.map((s) => (s.node?.id || s.node?.className || s.node?.nodeName) + ' ' + s.previousRect.y + '→' + s.currentRect.y).join(', '));
  }
}).observe({ type: 'layout-shift', buffered: true });
new PerformanceObserver((l) => { webtest.paint = l.getEntries().at(-1).startTime; }).observe({ type: 'largest-contentful-paint', buffered: true });
addEventListener('securitypolicyviolation', (e) => webtest.violations.push(e.violatedDirective + ' blocked ' + e.blockedURI));
new MutationObserver((changes) => {
  for (const { target } of changes) {
    if (target.nodeName !== 'PROGRESS') continue;
    const name = target.closest('.card')?.querySelector('.name').textContent;
    if (!name) continue; // not a card's
    (webtest.progress[name] ??= []).push(target.value);
  }
}).observe(document, { subtree: true, attributes: true, attributeFilter: ['value', 'hidden'] });
`

func chromium() string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "headless-shell"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// listen collects errors in the console, uncaught exceptions and the browser's own complaints.
func (b *Browser) listen(ev any) {
	complaint := ""
	switch ev := ev.(type) {
	case *runtime.EventConsoleAPICalled:
		if ev.Type == runtime.ConsoleAPICalledTypeError || ev.Type == runtime.ConsoleAPICalledTypeWarning || ev.Type == runtime.ConsoleAPICalledTypeAssert {
			args := []string{}
			for _, a := range ev.Args {
				args = append(args, string(a.Value)+a.Description)
			}
			complaint = fmt.Sprintf("console.%s: %s", ev.Type, strings.Join(args, " "))
		}
	case *runtime.EventExceptionThrown:
		complaint = "uncaught: " + ev.ExceptionDetails.Text
		if e := ev.ExceptionDetails.Exception; e != nil {
			complaint += " " + e.Description
		}
	case *cdplog.EventEntryAdded:
		if ev.Entry.Level == cdplog.EntryLevelError || ev.Entry.Level == cdplog.EntryLevelWarning {
			complaint = fmt.Sprintf("%s %s: %s %s", ev.Entry.Source, ev.Entry.Level, ev.Entry.Text, ev.Entry.URL)
		}
	}
	if complaint != "" {
		b.mu.Lock()
		b.complaints = append(b.complaints, complaint)
		b.mu.Unlock()
	}
}

// do runs actions and fails the test where one fails.
func (b *Browser) do(what string, actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.t.Fatalf("%s: %v\ncomplaints of the page: %q", what, err, b.Complaints())
	}
}

// Eval is the value of a JavaScript expression in the page.
func Eval[T any](b *Browser, expression string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		b.t.Fatalf("evaluate %s: %v\ncomplaints of the page: %q", expression, err, b.Complaints())
	}
	return v
}

// Exec runs JavaScript statements in the page.
func (b *Browser) Exec(statements string) {
	b.t.Helper()
	Eval[bool](b, "(() => {"+statements+"; return true; })()")
}

// leaving reports whether an expression failed because its page went away under it.
func leaving(err error) bool {
	return strings.Contains(err.Error(), "navigated or closed") || strings.Contains(err.Error(), "Cannot find context") || strings.Contains(err.Error(), "context was destroyed")
}

// Until waits for a JavaScript expression to become true, in whatever page is shown by then.
func (b *Browser) Until(what, expression string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	poll := chromedp.Poll[bool]("Boolean("+expression+")", chromedp.WithPollingInterval(50*time.Millisecond), chromedp.WithPollingTimeout(patience))
	_, err := chromedp.Run(ctx, poll)
	for err != nil && ctx.Err() == nil && leaving(err) {
		_, err = chromedp.Run(ctx, poll)
	}
	if err != nil {
		b.t.Fatalf("waiting until %s: %v\ncomplaints of the page: %q\nscreenshot: %s", what, err, b.Complaints(), b.Screenshot("failed", 1280))
	}
}

// Complaints are what the page complained of so far, CSP violations included.
func (b *Browser) Complaints() []string {
	ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second)
	defer cancel()
	violations, err := chromedp.Run(ctx, chromedp.Evaluate[[]string]("window.webtest?.violations ?? []"))
	if err != nil {
		violations = []string{"the page does not answer: " + err.Error()}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return append(slices.Clone(b.complaints), violations...)
}

// CheckQuiet fails the test where the page complained of anything.
func (b *Browser) CheckQuiet() {
	b.t.Helper()
	if c := b.Complaints(); len(c) > 0 {
		b.t.Errorf("the page complained:\n%s", strings.Join(c, "\n"))
	}
}

// Screenshot takes a picture of the whole page at a width in CSS pixels and returns its path.
func (b *Browser) Screenshot(name string, width int64) string {
	dir := os.Getenv(ScreenshotDirEnv)
	if dir == "" {
		dir = b.t.ArtifactDir()
	}
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	err := chromedp.Do(ctx, chromedp.EmulateViewport(width, 900))
	var png []byte
	if err == nil {
		png, err = chromedp.Run(ctx, chromedp.FullScreenshot(100))
	}
	if err != nil {
		b.t.Logf("screenshot %s: %v", name, err)
		return ""
	}
	file := filepath.Join(dir, fmt.Sprintf("%s-%d.png", name, width))
	if err := os.WriteFile(file, png, 0o644); err != nil {
		b.t.Logf("screenshot %s: %v", name, err)
	}
	return file
}

// Widths are those at which the page is looked at, in CSS pixels.
var Widths = []int64{360, 768, 1280}

// CheckWidths takes a screenshot at each of Widths and fails where the page is wider than its window.
func (b *Browser) CheckWidths(name string) {
	b.t.Helper()
	for _, width := range Widths {
		b.do("lay out at another width", chromedp.EmulateViewport(width, 900))
		scroll := Eval[int64](b, "document.documentElement.scrollWidth")
		if scroll > width {
			b.t.Errorf("at %d px the page is %d px wide", width, scroll)
		}
		b.t.Logf("screenshot: %s", b.Screenshot(name, width))
	}
}

// Dark makes the page believe that its reader prefers dark colours.
func (b *Browser) Dark(on bool) {
	b.t.Helper()
	value := "light"
	if on {
		value = "dark"
	}
	b.do("prefer "+value, call(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: value}},
	}))
}
