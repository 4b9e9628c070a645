package main

import (
	"context"
	"errors"
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
				switch {
				case none(args) != nil:
					return none(args)
				case o.Concurrency < 1 || o.Grace < 0 || o.Settle < 0 || o.OlderThan < 0:
					return &usageError{"audit", errors.New("audit: --concurrency is at least 1, and no duration is negative")}
				}
				return app.Audit(ctx, *cfg, io, o)
			}
		},
	}
}

func backfillCommand() command {
	return command{
		name: "backfill", summary: "send originals without a current result through the pipeline",
		groups: join(aws, []config.Group{config.GroupRecipes}),
		setup: func(fs *pflag.FlagSet, cfg *config.Config) func(context.Context, app.IO, []string) error {
			var o app.BackfillOptions
			fs.StringSliceVar(&o.Failed, "failed", nil, "also what failed: with any code, or with --failed=CODE those with that one; repeatable")
			fs.Lookup("failed").NoOptDefVal = "*"
			fs.BoolVar(&o.Program, "program", false, "also what another version of the program made")
			fs.BoolVar(&o.All, "all", false, "everything, current or not")
			fs.StringVar(&o.Recipe, "recipe", "", "only what is of this recipe today")
			fs.StringVar(&o.Prefix, "prefix", "", "only originals whose keys begin so")
			fs.StringVar(&o.SinceText, "since", "", "only originals last written since: an age (24h), a day or a time")
			fs.BoolVar(&o.DryRun, "dry-run", false, "send nothing; say what would be sent, and what it costs")
			fs.Float64Var(&o.Rate, "rate", 100, "most images sent in a second; 0: as many as --max-backlog allows")
			fs.Int64Var(&o.MaxBacklog, "max-backlog", 1000, "pause while the queue has so many messages, lest fresh uploads wait; 0: never")
			fs.BoolVar(&o.Announce, "announce", false, "announce the results like those of uploads, mails included")
			fs.StringVar(&o.State, "state", "", "file that keeps how far it has come; the same command goes on from there")
			fs.StringVar(&o.After, "after", "", "begin after this key")
			fs.IntVar(&o.Concurrency, "concurrency", 32, "originals looked at at once")
			return func(ctx context.Context, io app.IO, args []string) error {
				switch {
				case none(args) != nil:
					return none(args)
				case o.Rate < 0 || o.MaxBacklog < 0 || o.Concurrency < 1:
					return &usageError{"backfill", errors.New("backfill: --rate and --max-backlog are at least 0, --concurrency at least 1")}
				}
				return app.Backfill(ctx, *cfg, io, o)
			}
		},
	}
}
