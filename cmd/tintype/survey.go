package main

import (
	"context"
	"time"

	"github.com/spf13/pflag"

	"github.com/tintype/tintype/internal/app"
	"github.com/tintype/tintype/internal/config"
)

func auditCommand() command {
	return command{
		name: "audit", summary: "check that no image is lost and that every result is as its manifest says",
		groups: join(aws, []config.Group{config.GroupRecipes}),
		setup: func(fs *pflag.FlagSet, cfg *config.Config) func(context.Context, app.IO, []string) error {
			var o app.AuditOptions
			fs.StringVar(&o.Prefix, "prefix", "", "only originals whose keys begin so")
			fs.StringVar(&o.Since, "since", "", "only originals last written since: an age (24h), a day or a time")
			fs.BoolVar(&o.Deep, "deep", false, "read every output and compare its SHA-256")
			fs.BoolVar(&o.Peek, "peek", false, "look into the work queue as well; each look counts as a receive of every message in it")
			fs.BoolVar(&o.NoPeek, "no-peek", false, "do not look into the dead-letter queue")
			fs.BoolVar(&o.AllFindings, "all-violations", false, "print all that is found, not the first 20 of a kind")
			fs.DurationVar(&o.Grace, "grace", time.Minute, "how long an upload may be on its way to the queue before it counts as lost")
			fs.DurationVar(&o.Settle, "settle", 3*time.Second, "pause between two looks at the queue before anything counts as lost")
			fs.IntVar(&o.Concurrency, "concurrency", 32, "images looked at at once")
			fs.BoolVar(&o.Sweep, "sweep", false, "remove outputs that no manifest names, after asking")
			fs.DurationVar(&o.OlderThan, "older-than", 24*time.Hour, "with --sweep: only those of at least this age")
			fs.BoolVar(&o.Yes, "yes", false, "with --sweep: do not ask")
			return func(ctx context.Context, io app.IO, args []string) error {
				if err := none(args); err != nil {
					return err
				}
				return app.Audit(ctx, *cfg, io, o)
			}
		},
	}
}
