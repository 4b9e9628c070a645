package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/charmbracelet/x/vt"
	"golang.org/x/sys/unix"

	"github.com/tintype/tintype/internal/testimages"
)

// watched is `tintype top` on a terminal of its own.
type watched struct {
	t       *testing.T
	keys    *os.File // what is typed; the terminal's other end
	tty     *os.File // kept open, so that its settings can be read after the program
	was     unix.Termios
	screen  *vt.SafeEmulator
	mu      sync.Mutex
	raw     bytes.Buffer // everything that was written to the terminal
	process *exec.Cmd
}

func watch(t *testing.T, env []string, width, height int, args ...string) *watched {
	t.Helper()
	w := &watched{t: t, screen: vt.NewSafeEmulator(width, height)}
	w.keys, w.tty = openTerminal(t)
	t.Cleanup(func() { w.tty.Close() })
	w.size(width, height)
	was, err := unix.IoctlGetTermios(int(w.tty.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	w.was = *was
	w.process = exec.Command(binary, append([]string{"top", "--every", "1s"}, args...)...)
	w.process.Env = append(env[:len(env):len(env)], "TERM=xterm-256color", "LANG=C.UTF-8")
	w.process.Stdin, w.process.Stdout, w.process.Stderr = w.tty, w.tty, w.tty
	w.process.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := w.process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.process.Process.Kill() })
	go func() { _, _ = io.Copy(w.keys, w.screen) }() // what the terminal answers when it is asked what it can
	go func() {
		b := make([]byte, 32<<10)
		for {
			n, err := w.keys.Read(b)
			w.mu.Lock()
			w.raw.Write(b[:n])
			_, _ = w.screen.Write(b[:n])
			w.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return w
}

func (w *watched) size(width, height int) {
	w.t.Helper()
	if err := unix.IoctlSetWinsize(int(w.tty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: uint16(width), Row: uint16(height)}); err != nil {
		w.t.Fatal(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.screen.Resize(width, height)
}

// text is what a person sees.
func (w *watched) text() string {
	var b strings.Builder
	w.mu.Lock() // the cells are the emulator's own
	defer w.mu.Unlock()
	for y := range w.screen.Height() {
		for x := range w.screen.Width() {
			if c := w.screen.CellAt(x, y); c != nil && c.Content != "" {
				b.WriteString(c.Content)
			} else if c != nil && c.Width > 0 {
				b.WriteByte(' ')
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func (w *watched) shows(wants ...string) {
	w.t.Helper()
	eventually(w.t, fmt.Sprintf("the screen shows %q", wants), func() error {
		text := w.text()
		for _, want := range wants {
			if !strings.Contains(text, want) {
				return fmt.Errorf("no %q on\n%s", want, text)
			}
		}
		return nil
	})
}

func (w *watched) press(keys string) {
	w.t.Helper()
	if _, err := w.keys.WriteString(keys); err != nil {
		w.t.Fatal(err)
	}
}

// restored waits for the end and looks at the terminal: settings as they were, no alternate
// screen, a cursor.
func (w *watched) restored(code int) {
	w.t.Helper()
	err := w.process.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || w.process.ProcessState.ExitCode() != code {
		w.t.Errorf("it ended with %v, not %d", err, code)
	}
	now, err := unix.IoctlGetTermios(int(w.tty.Fd()), unix.TCGETS)
	if err != nil {
		w.t.Fatal(err)
	}
	if *now != w.was {
		w.t.Errorf("the terminal's settings are %+v, and were %+v", *now, w.was)
	}
	eventually(w.t, "the screen as it was", func() error {
		if w.screen.IsAltScreen() || w.screen.CursorHidden() {
			return fmt.Errorf("alternate screen %v, cursor hidden %v", w.screen.IsAltScreen(), w.screen.CursorHidden())
		}
		return nil
	})
}

// TestTop watches a running system as a person does.
func TestTop(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.startUp("--workers", "1")
	for key, body := range map[string][]byte{"photo one.jpg": testimages.Photo(), "broken.jpg": []byte("this is no picture"), "ev\x1b[2Jil\x1b]0;x\a.jpg": testimages.Photo()} {
		if err := s.put(key, body, nil); err != nil {
			t.Fatal(err)
		}
	}
	s.sendTo("ImageApp-dlq", "one that is no event")
	for _, c := range []struct{ name, from string }{{"web", s.web()}, {"AWS", ""}} {
		t.Run(c.name, func(t *testing.T) {
			args := []string{}
			if c.from != "" {
				args = []string{"--url", c.from}
			}
			w := watch(t, s.env, 100, 30, args...)
			w.shows("tintype top", "0 waiting", "dead letters 1", "ready", "0/8", "photo one.jpg", "broken.jpg", "failed", "done", "not_an_image", "? help")
			w.press("?")
			w.shows("pause, and go on")
			w.press("\x1b")
			w.shows("HOST")
			w.press("s")
			w.shows("sort: status")
			w.press("jj") // the process, then the first image: with what failed on top, that
			w.shows("> ")
			w.press("\r")
			w.shows("key         broken.jpg", "error", "uploaded")
			w.press("\x7fkkk\r")
			w.shows("process", "program     tintype", "slots for messages")
			w.press("\x7fd")
			w.shows("1 of about 1 dead letters", "cause")
			w.press("\x7fp")
			w.shows("paused")
			w.press("p")
			w.size(80, 24)
			w.shows("q quit")
			for _, line := range strings.Split(w.text(), "\n") {
				if len([]rune(line)) > 80 {
					t.Errorf("%q is wider than the screen", line)
				}
			}
			w.size(40, 10)
			w.shows("q quit  p pause")
			w.mu.Lock()
			if raw := w.raw.String(); strings.Contains(raw, "ev\x1b[2J") || strings.Contains(raw, "\x1b]0;x") {
				t.Error("a key wrote control sequences")
			}
			w.mu.Unlock()
			w.press("q")
			w.restored(0)
		})
	}
	for name, end := range map[string]func(w *watched){
		"Ctrl-C":  func(w *watched) { w.press("\x03") },
		"SIGTERM": func(w *watched) { _ = w.process.Process.Signal(syscall.SIGTERM) },
	} {
		t.Run(name, func(t *testing.T) {
			w := watch(t, append(s.env[:len(s.env):len(s.env)], "NO_COLOR=1"), 80, 24, "--url", s.web())
			w.shows("photo one.jpg")
			w.mu.Lock()
			if strings.Contains(w.raw.String(), "\x1b[31") || strings.Contains(w.raw.String(), "\x1b[32m") {
				t.Error("there are colours")
			}
			w.mu.Unlock()
			end(w)
			w.restored(0)
		})
	}
}

// TestTopOutlivesWhatItShows: a web tier that goes away is told of, and seen again.
func TestTopOutlivesWhatItShows(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.startEndpoint()
	s.provision()
	p := s.startWeb()
	w := watch(t, s.env, 90, 24, "--url", s.web())
	w.shows("1 waiting", "app processes: none") // S3 says to the queue that it is there
	p.kill()
	w.shows("away", "no answer for")
	w.shows("1 waiting") // what was known last
	s.startWeb()
	eventually(t, "seen again", func() error {
		if text := w.text(); strings.Contains(text, "away") || !strings.Contains(text, "1 waiting") {
			return errors.New(text)
		}
		return nil
	})
	w.press("q")
	w.restored(0)
}

// TestTopForScripts: one look as text, and as JSON; a terminal is not needed for that, and
// missed where it is.
func TestTopForScripts(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.startUp()
	for _, from := range [][]string{nil, {"--url", s.web()}} {
		out, errs, code := tintype(t, s.env, append([]string{"top", "--once"}, from...)...)
		if code != 0 || !strings.Contains(out, "0 waiting") || strings.Contains(out, "\x1b") {
			t.Errorf("%v: exit %d\n%s%s", from, code, out, errs)
		}
		out, errs, code = tintype(t, s.env, append([]string{"top", "--once", "--json"}, from...)...)
		if code != 0 || strings.Count(out, "\n") != 1 || !strings.HasPrefix(out, `{"time":"`) || !strings.Contains(out, `"workers":`) {
			t.Errorf("%v: exit %d\n%s%s", from, code, out, errs)
		}
	}
	if _, errs, code := tintype(t, s.env, "top"); code != 1 || !strings.Contains(errs, "say --once") {
		t.Errorf("without a terminal: exit %d\n%s", code, errs)
	}
	if _, errs, code := tintype(t, s.env, "top", "--once", "--url", "http://"+freeAddr(t)); code != 1 || !strings.Contains(errs, "refused") {
		t.Errorf("nobody there: exit %d\n%s", code, errs)
	}
	if _, errs, code := tintype(t, s.env, "top", "--once", "--token", "x"); code != 2 || !strings.Contains(errs, "--url") {
		t.Errorf("a token for nobody: exit %d\n%s", code, errs)
	}
}
