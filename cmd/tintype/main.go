// Command tintype processes images that are uploaded to S3, driven by events through
// SNS and SQS: on AWS, or on one machine with the same code.
//
// This package reads flags and signals and calls internal/app; nothing else is here.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/tintype/tintype/internal/app"
	_ "github.com/tintype/tintype/internal/timerslack" // timers may be late by half a millisecond
)

// Exit codes: done, failed, wrong usage.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// echo is how long after the first signal another one counts as the same.
const echo = time.Second

func main() {
	app.BecomeChild()
	ctx, stop := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		stop()
		// Who asks twice does not want to wait for the drain. One Ctrl-C may arrive twice,
		// from the terminal and passed on by make or a supervisor; people are slower.
		for first := time.Now(); ; {
			if <-signals; time.Since(first) > echo {
				os.Exit(exitFailed)
			}
		}
	}()
	os.Exit(run(ctx, os.Args[1:], app.IO{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}, os.Getenv))
}

// run runs one command line and returns the exit code.
func run(ctx context.Context, args []string, io app.IO, getenv func(string) string) int {
	err := dispatch(ctx, args, io, getenv)
	var usage *usageError
	var setting *app.BadSetting
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &usage):
		fmt.Fprintf(io.Err, "tintype: %v\n", err)
		fmt.Fprintf(io.Err, "Run `tintype %s` for what it takes.\n", usage.help())
		return exitUsage
	case errors.As(err, &setting):
		fmt.Fprintf(io.Err, "tintype: %v\n", err)
		return exitUsage
	case errors.Is(err, app.ErrReported):
		return exitFailed
	default:
		report(io.Err, err)
		return exitFailed
	}
}

// report prints an error as a person needs it: what happened, and what to do.
func report(w io.Writer, err error) {
	text, hint := app.Explain(err)
	if hint != "" {
		fmt.Fprintf(w, "tintype: %s: %s\n", text, hint)
		return
	}
	fmt.Fprintf(w, "tintype: %s\n", text)
}

// usageError is a command line that makes no sense.
type usageError struct {
	command string // empty: none known
	err     error
}

func (e *usageError) Error() string { return e.err.Error() }

func (e *usageError) help() string {
	if e.command == "" {
		return "help"
	}
	return e.command + " --help"
}
