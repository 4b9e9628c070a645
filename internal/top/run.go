package top

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
)

// Options say how to show it. Source, Out and Every are required.
type Options struct {
	Source Source
	In     *os.File // the terminal; unused with Once and JSON
	Out    io.Writer
	Every  time.Duration       // between two looks
	Once   bool                // one look, one frame of text, without colours
	JSON   bool                // a line of JSON for each look
	Width  int                 // columns of the frame with Once
	Getenv func(string) string // of the terminal; unused with JSON
}

// Run shows the pipeline until ctx ends or the person at the terminal has seen enough.
func Run(ctx context.Context, o Options) error {
	if o.JSON {
		return printJSON(ctx, o)
	}
	m := &model{ctx: ctx, source: o.Source, every: o.Every, now: time.Now, look: lookOf(o.Getenv)}
	if o.Once {
		look, cancel := context.WithTimeout(ctx, lookTimeout)
		defer cancel()
		s, err := o.Source.Look(look)
		if err != nil {
			return err
		}
		m.take(looked{s, nil})
		m.look.width, m.look.height, m.look.attributes = o.Width, 0, false
		lines := m.overview(m.look)
		for i := range lines {
			lines[i] = strings.TrimRight(lines[i], " ")
		}
		_, err = fmt.Fprintln(o.Out, strings.Join(lines, "\n"))
		return err
	}
	// Signals are main's: they end ctx.
	p := tea.NewProgram(m, tea.WithContext(ctx), tea.WithInput(o.In), tea.WithOutput(o.Out), tea.WithoutSignalHandler(), tea.WithFPS(20))
	_, err := p.Run()
	if errors.Is(err, tea.ErrProgramPanic) {
		return err
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// lookOf is what the environment says of the terminal.
func lookOf(getenv func(string) string) look {
	l := look{attributes: getenv("TERM") != "dumb", colours: getenv("NO_COLOR") == ""}
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := strings.ToUpper(getenv(name)); v != "" {
			l.ascii = !strings.Contains(v, "UTF-8") && !strings.Contains(v, "UTF8")
			break
		}
	}
	return l
}

// printJSON writes a line for each look: the snapshot, or why there is none.
func printJSON(ctx context.Context, o Options) error {
	enc := json.NewEncoder(o.Out)
	tick := time.NewTicker(o.Every)
	defer tick.Stop()
	for {
		look, cancel := context.WithTimeout(ctx, lookTimeout)
		s, err := o.Source.Look(look)
		cancel()
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && o.Once:
			return err
		case err != nil:
			err = enc.Encode(map[string]any{"time": time.Now().UTC(), "error": err.Error()})
		default:
			err = enc.Encode(s)
		}
		if err != nil || o.Once {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
