// Command scale says what it takes to process 10, 100 and 10,000 images a second on AWS:
// processors, queue depth, latency, requests, money, and which limit binds first.
//
//	go run ./bench/scale                      print the tables
//	go run ./bench/scale -doc docs/scale.md   put them, and the plots beside it, into the document
//	go run ./bench/scale -measure -tintype bin/tintype     measure this machine again first
//	go run ./bench/scale -validate -tintype bin/tintype    simulate a small run beside a real one
//
// Nothing in it is of AWS itself: the work per image is measured by running the program on
// this machine (measured.json), AWS's latencies are assumptions (aws.json), prices and limits
// are as published (deploy/prices/us-east-1.json, limits.json). Each file can be replaced by a flag.
package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/tintype/tintype/deploy/prices"
)

//go:embed limits.json
var defaultLimits []byte

//go:embed aws.json
var defaultAWS []byte

//go:embed measured.json
var defaultMeasured []byte

//go:embed validated.json
var defaultValidated []byte

// options are the command's flags.
type options struct {
	tintype, photos, doc                         string
	prices, limits, aws, measuredFile, validated string
	images                                       int
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var o options
	flag.StringVar(&o.tintype, "tintype", "bin/tintype", "the program to measure")
	flag.StringVar(&o.photos, "photos", "internal/testimages/photos", "directory of photographs to make pictures of")
	flag.StringVar(&o.doc, "doc", "", "document whose generated parts are replaced; its plots are written beside it")
	flag.StringVar(&o.prices, "prices", "", "prices, as in deploy/prices/us-east-1.json")
	flag.StringVar(&o.limits, "limits", "", "limits, as in bench/scale/limits.json")
	flag.StringVar(&o.aws, "aws", "", "AWS's latencies and lags, as in bench/scale/aws.json")
	flag.StringVar(&o.measuredFile, "measured", "bench/scale/measured.json", "where -measure writes to")
	flag.StringVar(&o.validated, "validated", "bench/scale/validated.json", "where -validate writes to")
	flag.IntVar(&o.images, "images", 60, "images of each measured run")
	doMeasure := flag.Bool("measure", false, "measure the work per image on this machine")
	doValidate := flag.Bool("validate", false, "drain a backlog with one and two processes, measured and simulated")
	flag.Parse()
	err := func() error {
		switch {
		case *doMeasure:
			return measure(ctx, o)
		case *doValidate:
			return validate(ctx, o)
		}
		return report(o)
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench/scale:", err)
		os.Exit(1)
	}
}

// load reads a file, or what is built in, strictly.
func load(path string, builtin []byte, into any) error {
	b := builtin
	if path != "" {
		var err error
		if b, err = os.ReadFile(path); err != nil {
			return err
		}
	}
	if err := json.Unmarshal(b, into); err != nil {
		return fmt.Errorf("read %T: %w", into, err)
	}
	return nil
}

// loadPrices reads a table of prices, or what is built in.
func loadPrices(path string, into *prices.Table) (err error) {
	*into = prices.Builtin()
	if path == "" {
		return nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	*into, err = prices.Parse(b)
	return err
}

func save(path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o600)
}
