package app

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/tintype/tintype/internal/attempt"
)

// harmless shows text of any origin on a terminal: what a terminal would obey, and what turns
// the direction of writing, is written out. Lines stay lines.
func harmless(s string) string {
	var b strings.Builder
	for _, r := range strings.ToValidUTF8(s, "\uFFFD") {
		switch {
		case r == '\n' || r == '\t':
			b.WriteRune(r)
		case attempt.Harmful(r) && r != '\uFFFD':
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// isTerminalIn reports whether a person types what is read.
func isTerminalIn(r io.Reader) bool {
	f, ok := r.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// confirm asks a person to type want, and is an error unless they do. Where there is nobody to ask,
// --yes is needed.
func confirm(ctx context.Context, io IO, what, want string) error {
	if !isTerminalIn(io.In) {
		return refuse("say --yes", "%s, and nobody can be asked", what)
	}
	fmt.Fprintf(io.Err, "%s.\nType %s to go on: ", what, want)
	answer := make(chan string, 1)
	go func() { // ends with the process: reading a terminal cannot be stopped
		line, _ := bufio.NewReader(io.In).ReadString('\n')
		answer <- strings.TrimSpace(line)
	}()
	select {
	case got := <-answer:
		if got != want {
			return refuse("", "nothing was done: %q is not %s", got, want)
		}
		return nil
	case <-ctx.Done():
		fmt.Fprintln(io.Err)
		return context.Cause(ctx)
	}
}

// counter shows on a terminal how many of something are through.
type counter struct {
	bar *progressbar.ProgressBar
}

func newCounter(out IO, what string) *counter {
	if out.JSON || !isTerminal(out.Err) {
		return &counter{}
	}
	return &counter{progressbar.NewOptions64(-1, progressbar.OptionSetWriter(out.Err), progressbar.OptionSetDescription(what), progressbar.OptionShowCount(),
		progressbar.OptionSetWidth(30), progressbar.OptionClearOnFinish())}
}

func (c *counter) total(n int64) {
	if c.bar != nil && n > 0 {
		c.bar.ChangeMax64(n)
	}
}

func (c *counter) add(n int) {
	if c.bar != nil {
		_ = c.bar.Add(n)
	}
}

func (c *counter) end() {
	if c.bar != nil {
		_ = c.bar.Finish()
	}
}
