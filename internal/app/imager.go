package app

import (
	"log/slog"
	"time"

	"github.com/tintype/tintype/internal/config"
	"github.com/tintype/tintype/internal/imaging"
	"github.com/tintype/tintype/internal/imaging/isolate"
	"github.com/tintype/tintype/internal/telemetry"
	"github.com/tintype/tintype/internal/worker"
)

// BecomeChild becomes an imaging process where this program was started as one; it does
// not return then. It is the first call in main.
func BecomeChild() { isolate.Main() }

// imager is what makes pictures, wherever it does so, until it is closed.
type imager interface {
	worker.Imaging
	Close()
}

// backstop is what the worker waits beyond an engine that keeps to the time itself.
const backstop = 30 * time.Second

// openTierImager is openImager for a tier, which tells what becomes of it.
func openTierImager(cfg config.Config, tel *telemetry.Tier) (imager, time.Duration, error) {
	engine, timeout, err := openImager(cfg, tel.Log)
	if err != nil {
		return nil, 0, err
	}
	tel.BuildInfo(Program(), engine.Version())
	if pool, ok := engine.(*isolate.Pool); ok {
		pool.Register(tel.Registry)
	}
	return engine, timeout, nil
}

// openImager makes the engine that the configuration names ready, and says how long the
// worker is to wait for one image.
func openImager(cfg config.Config, log *slog.Logger) (imager, time.Duration, error) {
	limits := imaging.Limits{Bytes: cfg.Limits.Bytes, Pixels: cfg.Limits.Pixels, Side: cfg.Limits.Side, Frames: cfg.Limits.Frames}
	if cfg.App.Isolation == "none" {
		log.Warn("images are processed in the tier itself: one that crashes a library ends the tier")
		engine, err := imaging.New(imaging.Options{Limits: limits, Logger: log})
		if err != nil {
			return nil, 0, err
		}
		return engine, cfg.App.ImageTimeout, nil
	}
	pool, err := isolate.New(isolate.Options{Workers: cfg.App.Workers, Limits: limits, Documents: cfg.App.Documents, Timeout: cfg.App.ImageTimeout, Memory: cfg.App.ImageMemory, Logger: log})
	if err != nil {
		return nil, 0, err
	}
	// An image is tried in two children before it is given up.
	return pool, 2*cfg.App.ImageTimeout + backstop, nil
}
