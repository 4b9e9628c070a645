package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
)

// service is a part of the program that runs until its context ends, and then
// finishes what it has begun before it returns.
type service struct {
	name string
	run  func(context.Context) error
}

// runAll starts the services in order and stops them in the opposite order, each one
// only when those that depend on it have ended. It stops when ctx ends or when one
// service fails, and returns the failures. A service that returns nil before it is
// told to has failed too.
func runAll(ctx context.Context, log *slog.Logger, services ...service) error {
	type running struct {
		service
		cancel context.CancelFunc
		done   chan error
	}
	ended := make(chan string, len(services))
	var started []running
	for _, s := range services {
		// Not derived from ctx: the stop goes service by service, below.
		own, cancel := context.WithCancel(context.WithoutCancel(ctx))
		r := running{service: s, cancel: cancel, done: make(chan error, 1)}
		started = append(started, r)
		go func() {
			r.done <- s.run(own)
			ended <- s.name
		}()
	}
	early := ""
	select {
	case <-ctx.Done():
	case early = <-ended:
	}
	var errs []error
	for i := len(started) - 1; i >= 0; i-- {
		r := started[i]
		log.Debug("stopping", "part", r.name)
		r.cancel()
		err := <-r.done
		if err == nil && r.name == early {
			err = errors.New("ended by itself")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", r.name, err))
		}
	}
	return errors.Join(errs...)
}
