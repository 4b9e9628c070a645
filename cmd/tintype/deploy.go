package main

import (
	"context"
	"errors"

	"github.com/spf13/pflag"

	"github.com/tintype/tintype/internal/app"
	"github.com/tintype/tintype/internal/config"
)

// lambdaCommand is the app tier in AWS Lambda.
func lambdaCommand() command {
	return command{
		name: "lambda", summary: "run the app tier as a function of AWS Lambda, behind an event source mapping of the queue",
		about:  "The mapping must have ReportBatchItemFailures, and the queue's visibility timeout be at least six\ntimes the function's timeout. --image-timeout must fit into that twice. deploy/README.md has a template.\n",
		groups: join(aws, []config.Group{config.GroupWork, config.GroupImaging}, tiers), setup: plain(app.Lambda),
	}
}

// healthcheckCommand asks a tier how it is.
func healthcheckCommand() command {
	return command{
		name: "healthcheck", args: "URL", summary: "exit 0 if a URL such as http://127.0.0.1:8010/healthz answers 200, for containers",
		setup: func(*pflag.FlagSet, *config.Config) func(context.Context, app.IO, []string) error {
			return func(ctx context.Context, io app.IO, args []string) error {
				if len(args) != 1 {
					return &usageError{"healthcheck", errors.New("healthcheck: name one URL")}
				}
				return app.Healthcheck(ctx, io, args[0])
			}
		},
	}
}
