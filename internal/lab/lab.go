// Package lab runs the coupled and the decoupled architecture side by side on this machine, as
// real processes, and measures what decoupling buys: five experiments and a report of them.
// Every figure in a report comes from the run that it is about.
//
// It drives the program that users run, from outside, by its command line and its HTTP API. Of
// ours it imports only internal/fault.
package lab

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// The experiments' numbers, as DESIGN and the report have them.
const (
	Burst  = 1 // upload latency in a burst
	Kill   = 2 // the app tier is killed during uploads
	Drain  = 3 // 1, 2, 4 app processes drain the same backlog
	Spike  = 4 // ten times the traffic for a while
	Poison = 5 // images that cannot be processed among good ones
)

// All are all experiments.
var All = []int{Burst, Kill, Drain, Spike, Poison}

// Options of a run. Program and Out are required.
type Options struct {
	Program string // the binary to run
	Version string // its version, for the report
	Out     string // directory of the report; made where it is missing
	// Against is the web tier of a deployed stack, "https://images.example.com". Then only that
	// is measured: the coupled half and what needs a hand on the processes are left out, and
	// the images that were uploaded are deleted at the end.
	Against string
	Token   string // API token for Against; empty: none
	// Size multiplies how many images each experiment takes; 1 is a run of some minutes.
	Size float64
	Runs int   // how often what is given with a spread is repeated; default 3
	Only []int // the experiments; empty: all that can be run
	// Workers is how many images an app tier computes at once. Default: half of the cores, since
	// load generator, endpoint and web tier share the machine with it.
	Workers int
	// Image is the picture that is uploaded; nil: one that is generated, of a megapixel.
	Image []byte
	// Progress is told how far the run is; it may be nil.
	Progress func(Progress)
}

// Progress is how far a run is.
type Progress struct {
	Experiment int    // 0 while the lab is prepared
	What       string // what is being done
	Done       int    // steps of Total
	Total      int
}

func (o *Options) check() error {
	if o.Program == "" || o.Out == "" {
		return errors.New("lab: program and output directory are needed")
	}
	if o.Size == 0 {
		o.Size = 1
	}
	if o.Runs == 0 {
		o.Runs = 3
	}
	if o.Size < 0.05 || o.Size > 100 {
		return fmt.Errorf("lab: a size of %v: from 0.05 to 100 is allowed", o.Size)
	}
	if o.Runs < 1 || o.Runs > 25 {
		return fmt.Errorf("lab: %d runs: from 1 to 25 are allowed", o.Runs)
	}
	if o.Workers == 0 {
		o.Workers = max(1, runtime.NumCPU()/2)
	}
	if len(o.Only) == 0 {
		o.Only = All
	}
	for _, n := range o.Only {
		if !slices.Contains(All, n) {
			return fmt.Errorf("lab: there is no experiment %d: 1 to 5 are", n)
		}
	}
	if o.Against != "" {
		u, err := url.Parse(o.Against)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
			return fmt.Errorf("lab: %q is no URL of a web tier", o.Against)
		}
		o.Against = strings.TrimRight(o.Against, "/")
	}
	if o.Image == nil {
		o.Image = picture(pictureWidth, pictureHeight, 1)
	}
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	return nil
}

// scaled is a number of images at the run's size.
func (o *Options) scaled(n int) int { return max(4, int(float64(n)*o.Size+0.5)) }

// Run runs the experiments, writes the report into Options.Out, and returns it. When ctx ends
// it stops what it has started and returns what there is, with an error.
func Run(ctx context.Context, o Options) (*Report, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Out, 0o755); err != nil {
		return nil, fmt.Errorf("lab: %w", err)
	}
	r := &Report{Started: time.Now().UTC(), Version: o.Version, Against: o.Against, Machine: describe(),
		Settings: Settings{Size: o.Size, Runs: o.Runs, Workers: o.Workers, ImageBytes: len(o.Image)}}
	err := run(ctx, o, r)
	r.Seconds = time.Since(r.Started).Seconds()
	if err != nil && ctx.Err() == nil {
		return r, err
	}
	return r, errors.Join(err, r.write(o.Out))
}

func run(ctx context.Context, o Options, r *Report) error {
	b := &bench{o: o, r: r}
	if o.Against == "" {
		o.Progress(Progress{What: "starting endpoint and web tiers"})
		s, err := newStack(ctx, o)
		if err != nil {
			return err
		}
		defer s.close()
		b.stack = s
		b.decoupled, b.coupled = s.webURL, s.coupledURL
	} else {
		b.decoupled = o.Against
	}
	b.client = newClient(o.Token)
	defer b.client.CloseIdleConnections()
	watch, err := b.watch(ctx)
	if err != nil {
		return err
	}
	defer watch.close()
	b.seen = watch
	defer b.cleanUp(context.WithoutCancel(ctx))

	if err := b.calibrate(ctx); err != nil {
		return fmt.Errorf("calibrate: %w", err)
	}
	for _, e := range []struct {
		n     int
		name  string
		local bool // needs a hand on the processes
		run   func(context.Context) error
	}{
		{Burst, "burst", false, b.burst},
		{Kill, "kill", true, b.kill},
		{Drain, "drain", true, b.drain},
		{Spike, "spike", false, b.spike},
		{Poison, "poison", false, b.poison},
	} {
		if !slices.Contains(o.Only, e.n) {
			continue
		}
		if e.local && b.stack == nil {
			r.LeftOut = append(r.LeftOut, fmt.Sprintf("experiment %d (%s) needs a hand on the processes", e.n, e.name))
			continue
		}
		b.experiment = e.n
		if err := e.run(ctx); err != nil {
			return fmt.Errorf("experiment %d (%s): %w", e.n, e.name, err)
		}
	}
	return nil
}

// ReportFiles are where a report's parts are, in its directory.
func ReportFiles(out string) (html, json string) {
	return filepath.Join(out, "index.html"), filepath.Join(out, "report.json")
}
