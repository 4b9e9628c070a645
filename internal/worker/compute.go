package worker

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/imaging"
)

// compute runs the imaging with one of the few tokens for it, so that more messages may be
// in work than there are cores.
func (a *attempt) compute(ctx context.Context, req imaging.Request) (*imaging.Picture, time.Duration, error) {
	waiting := time.Now()
	a.waiting.Add(1)
	select {
	case a.cores <- struct{}{}:
		a.waiting.Add(-1)
		defer func() { <-a.cores }()
	case <-ctx.Done():
		a.waiting.Add(-1)
		return nil, 0, fmt.Errorf("wait for a core: %w", context.Cause(ctx))
	}
	a.told.took(stageCore, waiting)
	limited, cancel := context.WithTimeoutCause(ctx, a.opts.ImageTimeout, &fault.Error{Op: "process image", Kind: fault.Retry, Code: fault.CodeUnavailable,
		Message: fmt.Sprintf("the image was not finished within %v", a.opts.ImageTimeout)})
	defer cancel()
	req.Crowded = a.crowded()
	began := time.Now()
	limited, done := a.stage(limited, "process", attribute.String("tintype.recipe", req.Job.Recipe), attribute.Int("tintype.source.bytes", len(req.Source)),
		attribute.Float64("tintype.core_wait_seconds", began.Sub(waiting).Seconds()))
	pic, err := a.opts.Imaging.Process(limited, req)
	took := time.Since(began)
	a.told.spent(stageProcess, took)
	if err != nil {
		done(err)
		return nil, took, err
	}
	a.told.sourceBytes.Add(float64(len(req.Source)))
	a.told.pixels.Add(float64(pic.Source.Width) * float64(pic.Source.Height))
	done(nil, attribute.Int("tintype.source.pixels", pic.Source.Width*pic.Source.Height), attribute.String("tintype.source.format", pic.Source.Format),
		attribute.String("tintype.engine", pic.Engine), attribute.Int("process.pid", pic.PID))
	return pic, took, nil
}
