package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Report is a run's figures, as they stand in report.json. The results that a run left out are
// missing.
type Report struct {
	Started  time.Time `json:"started"`
	Seconds  float64   `json:"seconds"` // that the run took
	Version  string    `json:"version"`
	Against  string    `json:"against,omitempty"` // URL of the deployed stack
	Machine  Machine   `json:"machine"`           // of the lab; a deployed stack has its own
	Settings Settings  `json:"settings"`
	// Capacity is how many images per second the app tier processes, as measured at the run's
	// start.
	Capacity float64       `json:"capacityPerSecond"`
	Burst    *BurstResult  `json:"burst,omitempty"`
	Kill     *KillResult   `json:"kill,omitempty"`
	Drain    *DrainResult  `json:"drain,omitempty"`
	Spike    *SpikeResult  `json:"spike,omitempty"`
	Poison   *PoisonResult `json:"poison,omitempty"`
	LeftOut  []string      `json:"leftOut,omitempty"`
	// Remaining are images at a deployed stack that could not be deleted.
	Remaining []string `json:"remaining,omitempty"`
}

// Settings are what the run was asked for.
type Settings struct {
	Size       float64 `json:"size"`
	Runs       int     `json:"runs"`
	Workers    int     `json:"workers"` // of an app tier, but for experiment 3
	ImageBytes int     `json:"imageBytes"`
}

// write writes report.json, the plots and index.html. What fails is reported after the rest has
// been written.
func (r *Report) write(dir string) error {
	page, data := ReportFiles(dir)
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	errs := []error{os.WriteFile(data, append(text, '\n'), 0o644)}
	plots, err := r.plots()
	errs = append(errs, err)
	for _, p := range plots {
		errs = append(errs, os.WriteFile(filepath.Join(dir, p.Name+".png"), p.PNG, 0o644))
	}
	html, err := r.html(plots, text)
	if err == nil {
		err = os.WriteFile(page, html, 0o644)
	}
	if err := errors.Join(append(errs, err)...); err != nil {
		return fmt.Errorf("write the report into %s: %w", dir, err)
	}
	return nil
}
