package app

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
)

// journal records who stopped, in order.
type journal struct {
	mu      sync.Mutex
	entries []string
	started sync.WaitGroup
}

func (j *journal) service(name string, err error) service {
	j.started.Add(1)
	return service{name, func(ctx context.Context) error {
		j.started.Done()
		<-ctx.Done()
		j.mu.Lock()
		defer j.mu.Unlock()
		j.entries = append(j.entries, name)
		return err
	}}
}

func TestServicesStopInOppositeOrder(t *testing.T) {
	j := &journal{}
	ctx, stop := context.WithCancel(t.Context())
	services := []service{j.service("endpoint", nil), j.service("app", nil), j.service("web", nil)}
	go func() { j.started.Wait(); stop() }()
	if err := runAll(ctx, slog.New(slog.DiscardHandler), services...); err != nil {
		t.Error(err)
	}
	if want := []string{"web", "app", "endpoint"}; !slices.Equal(j.entries, want) {
		t.Errorf("stopped %v, want %v", j.entries, want)
	}
}

func TestOneFailureStopsAll(t *testing.T) {
	for name, tc := range map[string]struct {
		fails error
		want  string
	}{
		"an error":        {errors.New("boom"), "app: boom"},
		"an end too soon": {nil, "app: ended by itself"},
	} {
		t.Run(name, func(t *testing.T) {
			j := &journal{}
			first, last := j.service("endpoint", nil), j.service("web", errors.New("could not clean up"))
			failing := service{"app", func(context.Context) error { j.started.Wait(); return tc.fails }}
			err := runAll(t.Context(), slog.New(slog.DiscardHandler), first, failing, last)
			if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "web: could not clean up") {
				t.Errorf("err = %v", err)
			}
			if want := []string{"web", "endpoint"}; !slices.Equal(j.entries, want) {
				t.Errorf("stopped %v, want %v", j.entries, want)
			}
		})
	}
}
