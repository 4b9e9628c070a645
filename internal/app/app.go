// Package app wires the packages into the program's commands: it starts, drains and
// stops them. It is the only package that sees a whole config.Config, and it decides
// nothing that the packages decide themselves.
package app

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"strings"

	"github.com/tintype/tintype/internal/config"
	"github.com/tintype/tintype/internal/fault"
)

// version is set by the linker: -X github.com/tintype/tintype/internal/app.version=…
var version = ""

// Program is the program's name and version, as manifests carry it.
func Program() string {
	v := version
	if v == "" {
		if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
			v = info.Main.Version
		} else {
			v = "devel"
		}
	}
	return "tintype " + v
}

// IO is where a command writes.
type IO struct {
	In       io.Reader // nil: nothing
	Out, Err io.Writer
	JSON     bool // JSON lines on Out instead of text for people
}

// BadSetting is a setting that only its use shows to be wrong: a file that it names, for
// instance. The command line is at fault, as where a flag cannot be parsed.
type BadSetting struct{ Err error }

func (e *BadSetting) Error() string { return e.Err.Error() }

func (e *BadSetting) Unwrap() error { return e.Err }

// ErrReported is returned by a command that failed and has said why on its output.
var ErrReported = errors.New("failed")

// Explain returns what to tell a person about err: what happened, and what to do.
func Explain(err error) (text, hint string) {
	text = err.Error()
	hint = fault.HintOf(err)
	if hint == "" && fault.CodeOf(err) == fault.CodeUnavailable {
		hint = "see whether the endpoint is running, and check AWS_ENDPOINT_URL or --endpoint-url, the region and the credentials"
	}
	// The SDK's errors end in a chain of wrappers; the first lines suffice.
	if lines := strings.SplitN(text, "\n", 4); len(lines) == 4 {
		text = strings.Join(lines[:3], "\n")
	}
	return text, hint
}

// logger makes the logger of the long-running commands.
func logger(cfg config.Config, w io.Writer) *slog.Logger {
	var level slog.Level
	// Validated by config.
	_ = level.UnmarshalText([]byte(cfg.Log.Level))
	opts := &slog.HandlerOptions{Level: level}
	if cfg.Log.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}

// quiet logs only what a person who ran a short command should see.
func quiet(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelInfo, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey) {
			return slog.Attr{}
		}
		return a
	}}))
}

// refuse makes a permanent fault of a command with a hint.
func refuse(hint, format string, args ...any) error {
	return &fault.Error{Kind: fault.Permanent, Code: fault.CodeBadRequest, Message: fmt.Sprintf(format, args...), Hint: hint}
}
