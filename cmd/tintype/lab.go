package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/tintype/tintype/internal/app"
	"github.com/tintype/tintype/internal/config"
)

// labCommand measures what decoupling buys.
func labCommand() command {
	return command{
		name: "lab", summary: "run the coupled and the decoupled system side by side and measure what decoupling buys",
		setup: func(fs *pflag.FlagSet, cfg *config.Config) func(context.Context, app.IO, []string) error {
			o := app.LabOptions{}
			var only []string
			fs.StringVar(&o.Out, "out", "lab-report", "directory of the report: index.html, report.json, plots")
			fs.Float64Var(&o.Size, "size", 1, "how many images, as a multiple of a run of some minutes")
			fs.IntVar(&o.Runs, "runs", 3, "how often what is given with a spread is repeated")
			fs.IntVar(&o.Workers, "workers", 0, "images that an app tier computes at once (default: half of the cores)")
			fs.StringSliceVar(&only, "only", nil, "experiments to run: 1 burst, 2 kill, 3 drain, 4 spike, 5 poison (default: all)")
			fs.StringVar(&o.Image, "image", "", "image to upload (default: a generated photograph of a megapixel)")
			fs.StringVar(&o.Against, "against", "", "URL of a deployed web tier: measures that instead, uploads to it and deletes what it uploaded")
			fs.StringVar(&o.Token, "token", "", "API token for --against; better given as TINTYPE_TOKEN")
			return func(ctx context.Context, io app.IO, args []string) error {
				if err := none(args); err != nil {
					return err
				}
				for _, name := range only {
					n, err := experiment(name)
					if err != nil {
						return &usageError{"lab", err}
					}
					o.Only = append(o.Only, n)
				}
				return app.Lab(ctx, *cfg, io, o)
			}
		},
	}
}

// experiments are their names, in the order of their numbers.
var experiments = []string{"burst", "kill", "drain", "spike", "poison"}

func experiment(name string) (int, error) {
	if n, err := strconv.Atoi(name); err == nil && n >= 1 && n <= len(experiments) {
		return n, nil
	}
	for i, e := range experiments {
		if e == strings.ToLower(name) {
			return i + 1, nil
		}
	}
	return 0, fmt.Errorf("--only: there is no experiment %q: 1 to 5, or %s", name, strings.Join(experiments, ", "))
}
