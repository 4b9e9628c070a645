package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/tintype/tintype/internal/app"
	"github.com/tintype/tintype/internal/config"
)

func authCommand() command {
	return command{
		name: "auth", args: "hash NAME | token NAME | key", summary: "make users, tokens and session keys for --auth",
		setup: func(fs *pflag.FlagSet, _ *config.Config) func(context.Context, app.IO, []string) error {
			var o app.TokenOptions
			fs.StringSliceVar(&o.Scopes, "scope", nil, "what the token is for: read, upload or admin (delete, move dead letters; it contains the others); repeatable")
			fs.DurationVar(&o.Life, "expires", 0, "how long the token holds, as 720h; without it until its line is removed")
			fs.StringVar(&o.File, "tokens", "", "file to append the token's line to; without it the line is printed")
			return func(_ context.Context, io app.IO, args []string) error {
				want := map[string]int{"hash": 2, "token": 2, "key": 1}
				switch {
				case len(args) == 0 || want[args[0]] == 0:
					return &usageError{"auth", errors.New("auth: say hash NAME, token NAME or key")}
				case len(args) != want[args[0]]:
					return &usageError{"auth", fmt.Errorf("auth %s: want %d argument(s), not %q", args[0], want[args[0]]-1, strings.Join(args[1:], " "))}
				}
				switch args[0] {
				case "hash":
					return app.AuthHash(io, args[1])
				case "token":
					return app.AuthToken(io, o, args[1], time.Now())
				default:
					return app.AuthKey(io)
				}
			}
		},
	}
}
