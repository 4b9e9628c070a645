// Command pipeline measures the whole way of an image, from the queue to the announcement of
// its result, beside the same way built from Node's parts, on this machine and in this run:
//
//	make bench                     # some minutes
//	make bench ARGS="-full"        # backlogs up to 1,000,000, 1, 2 and 4 processes
//
// It drives the program from outside: the embedded endpoint, provisioned by the program, and
// in front of its queue in turn Tintype's app tier and bench/peers (sqs-consumer, sharp and the AWS
// SDK v3; it takes part where "npm ci" was run in bench/peers). Beside both stands the limit: the
// same images through the imaging package alone, on all cores.
//
// What counts is processor time, user and system, of a tier's whole process tree: it holds on
// a machine that others use as well. Programs take turns; figures are medians of rounds with
// least and greatest.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// options are what a run measures.
type options struct {
	tintype, imaging string // programs
	peers, photos    string // directories
	megapixels       []float64
	backlogs         []int
	processes        []int
	rounds           int
	images           int // that count, in each sample
	only             []string
	json             string
	slots            int
	load             time.Duration
	idle             time.Duration
}

func main() {
	o, err := parse(os.Args[1:])
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
		defer stop()
		err = run(ctx, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench/pipeline:", err)
		os.Exit(1)
	}
}

func parse(args []string) (options, error) {
	var o options
	fs := flag.NewFlagSet("pipeline", flag.ExitOnError)
	fs.StringVar(&o.tintype, "tintype", "bin/tintype", "the program under measurement")
	fs.StringVar(&o.imaging, "imaging", "", "internal/imaging/imagingbench, built; it is built if empty")
	fs.StringVar(&o.peers, "peers", "bench/peers", "directory of the Node peer")
	fs.StringVar(&o.photos, "photos", "internal/testimages/photos", "directory of the photographs that pictures are made of")
	fs.StringVar(&o.json, "json", "", "file for all figures, as JSON")
	fs.IntVar(&o.rounds, "rounds", 5, "turns of each program")
	fs.IntVar(&o.images, "images", 0, "images that count in each turn; 0: 40, and with -full 60")
	fs.IntVar(&o.slots, "slots", 0, "messages that an app process has in work at once; 0: its default")
	fs.DurationVar(&o.load, "load", 15*time.Second, "how long each load lasts under which latency is measured")
	fs.DurationVar(&o.idle, "idle", 15*time.Second, "how long idle processes are watched")
	sizes := fs.String("mp", "1,12", "megapixels of the pictures whose work is measured, comma-separated; the first is that of backlogs and calls")
	deep := fs.String("backlogs", "", "messages in the queue, comma-separated, in the place of those of the mode")
	many := fs.String("processes", "", "app processes, likewise")
	full := fs.Bool("full", false, "backlogs of up to 1,000,000 messages, and of 4 processes")
	only := fs.String("only", "", "parts to run, comma-separated, of: "+strings.Join(partNames(), ", ")+"; all if empty")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	var err error
	if o.megapixels, err = list(*sizes, 0.01, 100, func(s string) (float64, error) { return strconv.ParseFloat(s, 64) }); err != nil {
		return o, err
	}
	o.backlogs, o.processes = []int{100, 10_000}, []int{1, 2}
	if *full {
		o.backlogs, o.processes = []int{100, 10_000, 1_000_000}, []int{1, 2, 4}
	}
	if *deep != "" {
		if o.backlogs, err = list(*deep, 1, 10_000_000, strconv.Atoi); err != nil {
			return o, err
		}
	}
	if *many != "" {
		if o.processes, err = list(*many, 1, 64, strconv.Atoi); err != nil {
			return o, err
		}
	}
	if o.images == 0 {
		o.images = 40
		if *full {
			o.images = 60
		}
	}
	if *only != "" {
		o.only = strings.Split(*only, ",")
		for _, name := range o.only {
			if !slices.Contains(partNames(), name) {
				return o, fmt.Errorf("there is no part %q", name)
			}
		}
	}
	if o.rounds < 1 || o.images < 1 {
		return o, fmt.Errorf("%d rounds of %d images: at least 1 each", o.rounds, o.images)
	}
	return o, nil
}

// list reads numbers between two bounds.
func list[T int | float64](text string, least, most T, read func(string) (T, error)) (all []T, err error) {
	for s := range strings.SplitSeq(text, ",") {
		v, err := read(s)
		if err != nil || v < least || v > most {
			return nil, fmt.Errorf("%q: numbers from %v to %v are allowed", s, least, most)
		}
		all = append(all, v)
	}
	return all, nil
}

// part is something that is measured.
type part struct {
	name string
	run  func(context.Context, *bench) error
}

func parts() []part {
	return []part{{"work", work}, {"depth", depth}, {"calls", calls}, {"slots", slots}, {"latency", latency}, {"burst", burst}, {"idle", idle}}
}

func partNames() (names []string) {
	for _, p := range parts() {
		names = append(names, p.name)
	}
	return names
}

// bench is what the parts share.
type bench struct {
	o    options
	dir  string
	node bool // the Node peer takes part
	out  report
}

func run(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp("", "tintype-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // it is a temporary directory
	b := &bench{o: o, dir: dir}
	if b.node, err = findNode(o.peers); err != nil {
		fmt.Printf("The Node peer does not take part: %v.\n", err)
	}
	if b.o.imaging == "" {
		if b.o.imaging, err = buildImaging(ctx, dir); err != nil {
			return err
		}
	}
	b.out.Machine = fmt.Sprintf("%d cores, %s/%s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH)
	b.out.Date = time.Now().UTC().Format("2006-01-02")
	for _, p := range parts() {
		if len(o.only) > 0 && !slices.Contains(o.only, p.name) {
			continue
		}
		began := time.Now()
		if err := p.run(ctx, b); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		fmt.Fprintf(os.Stderr, "%s took %v\n", p.name, time.Since(began).Round(time.Second))
	}
	b.out.goals(os.Stdout)
	return b.out.save(o.json)
}
