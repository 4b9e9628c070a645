// Command endpoint measures the embedded endpoint beside its peers, on this machine
// and in this run: message throughput at growing backlogs, restart after kill -9,
// memory, the latency of a waiting receiver, and objects against plain files.
//
//	go run ./bench/endpoint -tintype bin/tintype
//
// Peers take part where they are installed: goaws and fauxqs by that name on the PATH
// (or at the path in BENCH_GOAWS, BENCH_FAUXQS), moto_server with -moto. Everything runs
// as a process of its own on loopback, is spoken to by the AWS SDK, and is ended by its
// process id. The load generator shares the machine, which is why processor time of the
// server alone is printed beside the rates.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// options are the command's flags.
type options struct {
	tintype  string
	parts    string
	backlogs []int
	rounds   int
	round    time.Duration
	clients  int
	moto     bool
	dir      string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench/endpoint:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	var o options
	var backlogs string
	flag.StringVar(&o.tintype, "tintype", "bin/tintype", "the program to measure")
	flag.StringVar(&o.parts, "parts", "messages,restart,wait,objects", "what to measure")
	flag.StringVar(&backlogs, "backlogs", "1000,100000,1000000", "messages that lie in the queue meanwhile; beyond 100,000 peers are left out")
	flag.IntVar(&o.rounds, "rounds", 5, "rounds; the medians are printed")
	flag.DurationVar(&o.round, "round", 3*time.Second, "length of a round")
	flag.IntVar(&o.clients, "clients", 8, "concurrent clients")
	flag.BoolVar(&o.moto, "moto", false, "moto_server as a peer, too (it takes minutes)")
	flag.StringVar(&o.dir, "dir", "", "directory for data (default: a temporary one); its file system is what is measured")
	plain := flag.String("plain", "", "serve the files of -dir at this address and do nothing else: what objects are compared to")
	flag.Parse()
	if *plain != "" {
		return plainServer(*plain, o.dir)
	}
	for b := range strings.SplitSeq(backlogs, ",") {
		n, err := strconv.Atoi(b)
		if err != nil || n < 0 {
			return fmt.Errorf("-backlogs: %q is not a number of messages", b)
		}
		o.backlogs = append(o.backlogs, n)
	}
	dir, err := os.MkdirTemp(o.dir, "bench-endpoint-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	o.dir = dir
	fmt.Printf("%s, %d cores, %s; rates are medians of %d rounds of %s, (min–max)\n", runtime.GOARCH, runtime.NumCPU(), cpuModel(), o.rounds, o.round)
	for _, part := range []struct {
		name string
		run  func(context.Context, options) error
	}{{"messages", messages}, {"restart", restart}, {"wait", wait}, {"objects", objects}} {
		if strings.Contains(o.parts, part.name) {
			if err := part.run(ctx, o); err != nil {
				return fmt.Errorf("%s: %w", part.name, err)
			}
		}
	}
	return nil
}
