package main

import (
	"context"
	"time"

	"github.com/spf13/pflag"

	"github.com/tintype/tintype/internal/app"
	"github.com/tintype/tintype/internal/config"
)

// doctor is the command's flags.
func doctor(fs *pflag.FlagSet, cfg *config.Config) func(context.Context, app.IO, []string) error {
	var o app.DoctorOptions
	fs.StringVar(&o.Tier, "tier", "all", "whose needs to look at: web, app or all")
	fs.BoolVar(&o.Fix, "fix", false, "have provision mend what it can, after telling what is wrong")
	fs.BoolVar(&o.Probe, "probe", false, "send a small image through and say how long each hop took")
	fs.DurationVar(&o.Patience, "patience", 30*time.Second, "longest wait for one hop of --probe")
	return func(ctx context.Context, io app.IO, args []string) error {
		if err := none(args); err != nil {
			return err
		}
		return app.Doctor(ctx, *cfg, io, o)
	}
}
