package app

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tintype/tintype/internal/config"
	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/lab"
)

// LabOptions are what Lab runs.
type LabOptions struct {
	Out     string
	Against string
	Token   string // for Against; never logged
	Size    float64
	Runs    int
	Workers int
	Only    []int
	Image   string // file; empty: a generated picture
}

// Lab runs the experiments and says where their report is.
func Lab(ctx context.Context, _ config.Config, out IO, o LabOptions) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	opts := lab.Options{Program: program, Version: Program(), Out: o.Out, Against: o.Against, Token: o.Token, Size: o.Size, Runs: o.Runs, Workers: o.Workers, Only: o.Only, Progress: labProgress(out)}
	if o.Image != "" {
		if opts.Image, err = os.ReadFile(o.Image); err != nil {
			return refuse("name a JPEG or another image that the page takes", "%v", err)
		}
	}
	began := time.Now()
	report, err := lab.Run(ctx, opts)
	labLine(out, "")
	if err != nil {
		if ctx.Err() != nil {
			return &fault.Error{Op: "lab", Kind: fault.Retry, Code: fault.CodeUnavailable, Message: "interrupted; what was measured until then is in " + o.Out}
		}
		return err
	}
	if len(report.Remaining) > 0 {
		fmt.Fprintf(out.Err, "%d images could not be deleted from %s; their ids are in the report\n", len(report.Remaining), o.Against)
	}
	page, data := lab.ReportFiles(o.Out)
	if out.JSON {
		return json.NewEncoder(out.Out).Encode(map[string]any{"report": page, "data": data, "seconds": report.Seconds})
	}
	if abs, err := filepath.Abs(page); err == nil {
		page = abs
	}
	fmt.Fprintf(out.Out, "The report is file://%s (%d s), its figures are in %s.\n", page, int(time.Since(began).Seconds()), data)
	return nil
}

// labProgress shows one line that changes on a terminal, elsewhere a line for each step begun.
func labProgress(out IO) func(lab.Progress) {
	last := ""
	return func(p lab.Progress) {
		what := p.What
		if p.Experiment > 0 {
			what = fmt.Sprintf("%d/%d %s", p.Experiment, len(lab.All), p.What)
		}
		if isTerminal(out.Err) {
			if p.Total > 0 {
				what += fmt.Sprintf("  %d of %d", p.Done, p.Total)
			}
			labLine(out, what)
			return
		}
		if what != last && !out.JSON {
			fmt.Fprintln(out.Err, what)
		}
		last = what
	}
}

// labLine writes over the terminal's current line.
func labLine(out IO, text string) {
	if isTerminal(out.Err) {
		const width = 78
		if len(text) > width {
			text = text[:width]
		}
		fmt.Fprintf(out.Err, "\r%s%s\r%s", strings.Repeat(" ", width), "", text)
	}
}
