//go:build linux && !race

// The libraries close a terminal that another goroutine of theirs reads, when they end over a
// panic: the race detector is right, and the test is not about that. `make test` runs it
// without.

package top

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"golang.org/x/sys/unix"
)

// TestACrashGivesTheTerminalBack: a bug in here costs the view, not the person's shell.
func TestACrashGivesTheTerminalBack(t *testing.T) {
	far, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no pseudo-terminal can be had: %v", err)
	}
	defer far.Close()
	if err := unix.IoctlSetPointerInt(int(far.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(far.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	was, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	written := make(chan string)
	go func() {
		var b bytes.Buffer
		_, _ = b.ReadFrom(far) // ends once both of the terminal's ends are closed
		written <- b.String()
	}()
	err = Run(t.Context(), Options{Source: told{panics: true}, In: tty, Out: tty, Every: time.Second, Getenv: func(string) string { return "" }})
	if !errors.Is(err, tea.ErrProgramPanic) {
		t.Errorf("it ended with %v", err)
	}
	now, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	if *now != *was {
		t.Errorf("the terminal's settings are %+v, and were %+v", *now, *was)
	}
	tty.Close()
	text := <-written
	if on, off := strings.LastIndex(text, "\x1b[?1049h"), strings.LastIndex(text, "\x1b[?1049l"); on > off {
		t.Errorf("the alternate screen is left on: %q", text)
	}
}
