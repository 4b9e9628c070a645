package e2e

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tintype/tintype/internal/testimages"
)

// step is one block of commands of a document and what the document says they print.
type step struct {
	line     int // of the block's first command, from 1
	commands string
	prints   string // with … for what differs
}

// TestWalkthrough follows docs/walkthrough.md to the letter: its commands are run in one
// shell, one block after the other, and print what the document says. Only the ports are
// others, so that it can run beside a system that is in use.
func TestWalkthrough(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"aws", "curl", "bash"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed; the walk-through needs it", tool)
		}
	}
	dir := follow(t, newSystem(t), "docs/walkthrough.md", []string{"endpoint.log", "web.log", "app.log"})
	if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) != 4 {
		t.Errorf("after tidying up there are %v, %v", left, err)
	}
}

// follow runs the commands of a document in one shell, in a directory with the program and three
// photographs, and compares what they print with what the document says. It returns the directory.
func follow(t *testing.T, s *system, document string, logs []string) (dir string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../..", document))
	if err != nil {
		t.Fatal(err)
	}
	ports := strings.NewReplacer("127.0.0.1:4566", s.endpointAddr, "127.0.0.1:4567", s.consoleAddr, "127.0.0.1:8007", s.webAddr, "localhost:8007", strings.Replace(s.webAddr, "127.0.0.1", "localhost", 1), "127.0.0.1:8010", s.appAddr)
	steps := stepsOf(t, string(text))

	dir = t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(binary, filepath.Join(dir, "bin", "tintype")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"cat.jpg", "dog.jpg", "bird.jpg"} {
		if err := os.WriteFile(filepath.Join(dir, name), testimages.Photo(), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	var script strings.Builder
	// What the shell has started ends with it, however it ends. The addresses are the only
	// settings that the document leaves at their defaults.
	script.WriteString("set -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n")
	for i, st := range steps {
		fmt.Fprintf(&script, "echo '%s%d'\n%s", stepMark, i, ports.Replace(st.commands))
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", script.String())
	cmd.Dir = dir
	cmd.Env = cleanEnv("TINTYPE_ENDPOINT_ADDR="+s.endpointAddr, "TINTYPE_CONSOLE_ADDR="+s.consoleAddr, "TINTYPE_WEB_ADDR="+s.webAddr, "TINTYPE_APP_ADDR="+s.appAddr)
	out, err := cmd.CombinedOutput()
	if err != nil {
		for _, log := range logs {
			b, _ := os.ReadFile(filepath.Join(dir, log))
			t.Logf("%s:\n%s", log, tailOf(string(b), 20))
		}
		t.Fatalf("the commands of %s fail: %v\n%s", document, err, out)
	}
	printed := strings.Split(string(out), stepMark)[1:]
	if len(printed) != len(steps) {
		t.Fatalf("%d of %d steps ran:\n%s", len(printed), len(steps), out)
	}
	for i, st := range steps {
		_, got, _ := strings.Cut(printed[i], "\n")
		want := ports.Replace(st.prints)
		if !likeDocument(want, got) {
			t.Errorf("%s:%d says that\n%sprints\n%s\nit prints\n%s", document, st.line, st.commands, want, got)
		}
	}
	return dir
}

const stepMark = "=== step "

// stepsOf reads a document's blocks of commands, each with the block of output that follows it.
func stepsOf(t *testing.T, text string) (steps []step) {
	t.Helper()
	lines := bufio.NewScanner(strings.NewReader(text))
	kind, begun := "", 0
	var block strings.Builder
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		switch {
		case kind == "" && strings.HasPrefix(line, "```"):
			if kind = strings.TrimPrefix(line, "```"); kind != "sh" && kind != "text" && kind != "aws" {
				t.Fatalf("line %d: a block of kind %q", n, kind)
			}
			begun = n + 1
			block.Reset()
		case kind == "sh" && line == "```":
			steps = append(steps, step{line: begun, commands: block.String()})
			kind = ""
		case kind == "aws" && line == "```":
			kind = "" // needs AWS itself: it is not run
		case kind == "text" && line == "```":
			steps[len(steps)-1].prints = block.String()
			kind = ""
		case kind != "":
			block.WriteString(line + "\n")
		}
	}
	if len(steps) < 8 {
		t.Fatalf("only %d steps found", len(steps))
	}
	return steps
}

// likeDocument compares output with what a document says, in which … stands for anything,
// on one line or, where it is alone on a line, on several.
func likeDocument(want, got string) bool {
	var pattern strings.Builder
	pattern.WriteString(`\A`)
	for line := range strings.Lines(strings.TrimSpace(want) + "\n") {
		line = strings.TrimRight(line, "\n")
		if line == "…" {
			pattern.WriteString(`(?:.*\n)*?`)
			continue
		}
		parts := strings.Split(line, "…")
		for i := range parts {
			parts[i] = regexp.QuoteMeta(parts[i])
		}
		pattern.WriteString(strings.Join(parts, ".*") + `[ \t]*\n`)
	}
	pattern.WriteString(`\z`)
	got = strings.TrimSpace(got)
	if got == "" {
		return strings.TrimSpace(want) == ""
	}
	return regexp.MustCompile(pattern.String()).MatchString(got + "\n")
}
