package e2e

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tintype/tintype/internal/testimages"
)

// TestUploadShowsProgress looks at `tintype upload --wait` as a person does: on a terminal.
func TestUploadShowsProgress(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.startUp()
	screen, tty := openTerminal(t)
	cmd := exec.Command(binary, "upload", writeFile(t, "cat.jpg", testimages.Photo()), "--tint", "#ff8800", "--wait")
	cmd.Env = append(s.env, "TERM=xterm")
	cmd.Stdout, cmd.Stderr = tty, tty
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	tty.Close()
	shown, _ := io.ReadAll(screen) // ends with EIO once the program has closed its side
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, shown)
	}
	text := string(shown)
	for _, want := range []string{"cat.jpg", "100%", "done in", "s3://tintype-results/"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not on the screen:\n%s", want, text)
		}
	}
	if n := len(regexp.MustCompile(`\d+%`).FindAllString(text, -1)); n < 2 {
		t.Errorf("the bar was drawn %d times: it shows no progress\n%s", n, text)
	}
}

// openTerminal opens a pseudo-terminal: what is written to tty can be read from screen.
func openTerminal(t *testing.T) (screen, tty *os.File) {
	t.Helper()
	screen, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no pseudo-terminal can be had: %v", err)
	}
	t.Cleanup(func() { screen.Close() })
	if err := unix.IoctlSetPointerInt(int(screen.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(screen.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return screen, tty
}
