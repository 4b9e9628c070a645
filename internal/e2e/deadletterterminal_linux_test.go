package e2e

import (
	"io"
	"os/exec"
	"strings"
	"testing"
)

// TestDropAsks: a person is asked before anything is deleted for good.
func TestDropAsks(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.startEndpoint()
	s.provision()
	s.sendTo("ImageApp-dlq", "one", "two")
	for _, c := range []struct {
		args         []string
		types, shows string
		dead         int
	}{
		{[]string{"dlq", "drop", "--all"}, "no", "nothing was done", 2},
		{[]string{"dlq", "drop", "--all"}, "yes", "2 messages dropped", 0},
		{[]string{"queue", "purge"}, "yes", "nothing was done", 0},
		{[]string{"queue", "purge"}, "ImageApp", "ImageApp was purged", 0},
		{[]string{"dlq", "redrive", "--all"}, "", "0 messages sent back", 0},
	} {
		screen, tty := openTerminal(t)
		cmd := exec.Command(binary, c.args...)
		cmd.Env = append(s.env[:len(s.env):len(s.env)], "TERM=xterm")
		cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		tty.Close()
		if _, err := screen.WriteString(c.types + "\n"); err != nil {
			t.Fatal(err)
		}
		shown, _ := io.ReadAll(screen)
		_ = cmd.Wait()
		if !strings.Contains(string(shown), c.shows) {
			t.Errorf("%v, answered %q, shows no %q:\n%s", c.args, c.types, c.shows, shown)
		}
		s.dead(c.dead)
	}
}
