package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/pflag"

	"github.com/tintype/tintype/internal/app"
	"github.com/tintype/tintype/internal/config"
)

func topCommand() command {
	return command{
		name: "top", summary: "show the pipeline live in the terminal",
		about: `It asks the web tier that --url names; without one, AWS itself, with the names and
credentials of the other commands. Keys: ? shows them, q quits. --once prints one look
as text, --json a line for each look until it is ended; both together print one line.
`,
		groups: join(aws, []config.Group{config.GroupRecipes}),
		setup: func(fs *pflag.FlagSet, cfg *config.Config) func(context.Context, app.IO, []string) error {
			var o app.TopOptions
			fs.StringVar(&o.URL, "url", "", "web tier to ask, such as http://127.0.0.1:8007; empty: ask AWS")
			fs.StringVar(&o.Token, "token", "", "token for that web tier; TINTYPE_TOKEN keeps it out of the list of processes")
			fs.DurationVar(&o.Every, "every", 2*time.Second, "time between two looks")
			fs.BoolVar(&o.Once, "once", false, "print one look as text, and end")
			return func(ctx context.Context, io app.IO, args []string) error {
				switch {
				case none(args) != nil:
					return none(args)
				case o.Every < time.Second || o.Every > time.Hour:
					return &usageError{"top", errors.New("top: --every goes from 1s to 1h")}
				case o.Token != "" && o.URL == "":
					return &usageError{"top", errors.New("top: --token is for the web tier that --url names")}
				}
				return app.Top(ctx, *cfg, io, o)
			}
		},
	}
}
