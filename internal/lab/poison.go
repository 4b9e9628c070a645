package lab

import (
	"context"
	"time"
)

// PoisonResult is experiment 5: images that cannot be processed among good ones, and, for
// comparison, the same good ones alone.
type PoisonResult struct {
	PerSecond float64     `json:"perSecond"`
	Alone     PoisonSide  `json:"alone"`     // the good ones alone, decoupled
	Decoupled PoisonSide  `json:"decoupled"` // with the bad ones among them
	Coupled   *PoisonSide `json:"coupled,omitempty"`
}

// PoisonSide is what became of the images.
type PoisonSide struct {
	Good      int            `json:"good"`      // uploaded
	GoodDone  int            `json:"goodDone"`  // processed
	GoodAgain int            `json:"goodAgain"` // of them, after more than one attempt
	Visible   Latency        `json:"visible"`   // of the good ones: from the upload's begin to the result
	Bad       int            `json:"bad"`       // uploaded
	BadNamed  int            `json:"badNamed"`  // ended as failed, with a code
	BadDone   int            `json:"badDone"`   // processed after all: one of them is only very large
	Codes     map[string]int `json:"codes"`     // of the failures
	Unsettled int            `json:"unsettled"` // without any end
}

func (b *bench) poison(ctx context.Context) error {
	n := b.o.scaled(60)
	res := &PoisonResult{PerSecond: max(1, 0.5*b.r.Capacity)}
	good, mixed := make([]file, 0, n), make([]file, 0, n+n/5)
	poisons := bad(b.o.Image)
	for i := range n {
		good = append(good, b.good(i))
		mixed = append(mixed, b.good(i))
		if i%5 == 2 {
			mixed = append(mixed, poisons[(i/5)%len(poisons)])
		}
	}
	var err error
	if b.stack != nil {
		if res.Coupled, err = b.poisonedCoupled(ctx, mixed, res.PerSecond); err != nil {
			return err
		}
		apps, err := b.stack.apps(1, b.o.Workers)
		defer stopAll(apps)
		if err != nil {
			return err
		}
	}
	if res.Alone, err = b.poisoned(ctx, "decoupled, good ones alone", good, res.PerSecond); err != nil {
		return err
	}
	if res.Decoupled, err = b.poisoned(ctx, "decoupled, bad ones among them", mixed, res.PerSecond); err != nil {
		return err
	}
	b.r.Poison = res
	return nil
}

func (b *bench) poisoned(ctx context.Context, name string, files []file, perSecond float64) (side PoisonSide, err error) {
	uploads, err := b.load(ctx, b.decoupled, evenly(0, len(files), perSecond), func(i int) file { return files[i] }, b.steps(name, len(files)))
	if err != nil {
		return side, err
	}
	side.Unsettled = len(b.settle(ctx, uploads, 3*time.Minute))
	side.Codes = map[string]int{}
	var visible []float64
	for i, u := range uploads {
		r, known := b.seen.result(u.ID)
		if isGood(files[i]) {
			side.Good++
			if known && r.Status == "done" {
				side.GoodDone++
				visible = append(visible, float64(r.Heard.Sub(u.begun).Microseconds())/1000)
			}
			if r.Attempts > 1 {
				side.GoodAgain++
			}
			continue
		}
		side.count(known, r.Status, r.Code, u)
	}
	side.Visible = latencyOf(visible)
	return side, nil
}

func (b *bench) poisonedCoupled(ctx context.Context, files []file, perSecond float64) (*PoisonSide, error) {
	app, err := b.stack.coupledApp(b.o.Workers)
	if err != nil {
		return nil, err
	}
	defer app.stop()
	uploads, err := b.load(ctx, b.coupled, evenly(0, len(files), perSecond), func(i int) file { return files[i] }, b.steps("coupled, bad ones among good ones", len(files)))
	if err != nil {
		return nil, err
	}
	side := &PoisonSide{Codes: map[string]int{}}
	var visible []float64
	for i, u := range uploads {
		if isGood(files[i]) {
			side.Good++
			if u.ok() {
				side.GoodDone++
				visible = append(visible, u.MS)
			}
			continue
		}
		status := "failed"
		if u.ok() {
			status = "done"
		}
		side.count(true, status, u.Error, u)
	}
	side.Visible = latencyOf(visible)
	return side, nil
}

// count counts a bad image; one that the door refused was named there.
func (s *PoisonSide) count(known bool, status, code string, u Upload) {
	s.Bad++
	if u.ID == "" && !u.ok() {
		known, status, code = true, "failed", u.Error
	}
	switch {
	case known && status == "done":
		s.BadDone++
	case known && code != "":
		s.BadNamed++
		s.Codes[code]++
	}
}

func isGood(f file) bool { return len(f.name) > 4 && f.name[:4] == "lab-" }
