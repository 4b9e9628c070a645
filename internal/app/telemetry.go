package app

import (
	"context"
	"log/slog"
	"strings"

	"github.com/tintype/tintype/internal/config"
	"github.com/tintype/tintype/internal/telemetry"
)

// openTraces has spans sent where the configuration or the environment says; nil, which is
// usable, where neither does.
func openTraces(ctx context.Context, cfg config.Config, log *slog.Logger) (*telemetry.Traces, error) {
	version := strings.TrimPrefix(Program(), "tintype ")
	traces, err := telemetry.OpenTraces(ctx, cfg.Traces, version, log)
	if err != nil {
		return nil, &BadSetting{Err: err}
	}
	if traces != nil {
		log.Info("traces are sent by OTLP")
	}
	return traces, nil
}
