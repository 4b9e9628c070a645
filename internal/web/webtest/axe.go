package webtest

import (
	"context"
	"os"
	"path/filepath"

	"github.com/chromedp/chromedp"
)

// AxeEnv names the file axe.min.js of axe-core. Without it that file is looked for in the
// directory .tools of this module, where scripts/deps.sh puts it.
const AxeEnv = "TINTYPE_AXE"

// findAxe is the text of axe.min.js, or "" where there is none.
func findAxe() string {
	file := os.Getenv(AxeEnv)
	for dir, err := os.Getwd(); file == "" && err == nil && dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			file = filepath.Join(dir, ".tools", "axe.min.js")
		}
	}
	script, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	return string(script)
}

// axeRun runs the rules of WCAG 2.0 to 2.2, levels A and AA, and axe's own best practices.
const axeRun = `axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'], resultTypes: ['violations'] }).then((r) =>
	r.violations.flatMap((v) => v.nodes.map((n) => v.id + ' (' + v.impact + '): ' + n.target.join(' ') + ': ' + n.failureSummary.replace(/\s+/g, ' '))))`

// CheckAccess fails the test for everything in the page, as it is now, that axe-core finds
// against WCAG 2.2 AA. Where axe-core is not there it says so and checks nothing.
func (b *Browser) CheckAccess(what string) {
	b.t.Helper()
	axe := findAxe()
	if axe == "" {
		b.t.Logf("%s: accessibility is not checked: axe-core is not here (%s, or .tools/axe.min.js, which scripts/deps.sh test brings)", what, AxeEnv)
		return
	}
	if Eval[bool](b, "window.axe === undefined") {
		b.Exec(axe)
	}
	// Colours that are on their way to others are no fault.
	b.Until("transitions are over", `document.getAnimations().every((a) => a.playState !== 'running' || a.effect.getComputedTiming().iterations === Infinity)`)
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	violations, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](axeRun, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: run axe-core: %v", what, err)
	}
	for _, v := range violations {
		b.t.Errorf("%s: %s", what, v)
	}
}

// CheckStable fails the test where what was on the screen moved by itself: a cumulative layout
// shift of 0.1 or more since the page was loaded. It logs when the largest part was painted.
func (b *Browser) CheckStable(what string) {
	b.t.Helper()
	shift := Eval[float64](b, "webtest.shift")
	b.t.Logf("%s: layout shift %.3f, largest contentful paint after %.0f ms", what, shift, Eval[float64](b, "webtest.paint"))
	if shift >= 0.1 {
		b.t.Errorf("%s: the page moved under its reader: layout shift %.3f: %s", what, shift, Eval[string](b, "webtest.shifted.join('; ')"))
	}
}
