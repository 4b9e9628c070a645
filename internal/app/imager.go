package app

import (
	"context"
	"log/slog"

	"github.com/tintype/tintype/internal/config"
	"github.com/tintype/tintype/internal/imaging"
)

// imager is what makes pictures, wherever it does so.
type imager interface {
	Process(ctx context.Context, req imaging.Request) (*imaging.Picture, error)
	Version() string
	Close()
}

// newImager makes the imager that the configuration asks for.
func newImager(cfg config.Config, log *slog.Logger) (imager, error) {
	return imaging.New(imaging.Options{
		Limits: imaging.Limits{Bytes: cfg.Limits.Bytes, Pixels: cfg.Limits.Pixels, Side: cfg.Limits.Side, Frames: cfg.Limits.Frames}, Logger: log,
	})
}
