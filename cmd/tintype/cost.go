package main

import (
	"context"
	"errors"

	"github.com/spf13/pflag"

	"github.com/tintype/tintype/internal/app"
	"github.com/tintype/tintype/internal/config"
)

func costCommand() command {
	return command{
		name: "cost", summary: "what a month on AWS costs, by service, and what would make it less",
		about:  "It reckons, and asks nobody unless with --from-bucket; docs/deploy.md says what it takes for granted.\nNumbers may be written as 5e6.\n",
		groups: aws,
		setup: func(fs *pflag.FlagSet, cfg *config.Config) func(context.Context, app.IO, []string) error {
			var o app.CostOptions
			const notGiven = -1
			// What has no default that says it all shows its default in words.
			later := func(to *float64, name, usage string) {
				fs.Float64Var(to, name, notGiven, usage)
				fs.Lookup(name).DefValue = "0"
			}
			fs.Float64Var(&o.Images, "images", 1_000_000, "images a month")
			later(&o.Bytes, "bytes", "mean size of originals in bytes (default: 3,000,000, or the bucket's)")
			later(&o.Outputs, "outputs", "outputs of the recipe (default: 3, or the bucket's)")
			later(&o.OutBytes, "output-bytes", "bytes of all outputs of an image together (default: 0.7 of the original's, or the bucket's)")
			later(&o.ServiceMS, "service-ms", "processor time of an image on one vCPU (default: 15 ms and 30 ms for each MB of the original)")
			fs.BoolVar(&o.FromBucket, "from-bucket", false, "take sizes and outputs from originals and manifests in the buckets; a GET for each")
			fs.IntVar(&o.Sample, "sample", 200, "with --from-bucket: most originals to look at")
			fs.Float64Var(&o.Months, "months", 12, "how long originals and results are kept")
			fs.StringVar(&o.Compute, "compute", "ec2", "what app tiers run on: ec2, fargate, lambda, or none (machines that are there anyway)")
			fs.Float64Var(&o.Utilisation, "utilisation", 0.3, "part of the processors paid for that is used; docs/scale.md has 0.25 to 0.33")
			fs.Float64Var(&o.HostVCPUs, "host-vcpus", 2, "vCPUs of one app process")
			fs.Float64Var(&o.WaitMS, "wait-ms", 250, "with --compute lambda: how long an image waits for S3 and SNS")
			fs.Float64Var(&o.WebTiers, "web-tiers", 2, "web tiers; each hears of every image")
			fs.Float64Var(&o.PresenceSeconds, "presence-seconds", 5, "interval of app processes' presences (--presence of the tiers); 0: none")
			fs.Float64Var(&o.Views, "views", 0, "how often browsers fetch an output from S3, for each image")
			fs.Float64Var(&o.Mails, "mails", 0, "mails sent for each image, of both topics together")
			fs.Float64Var(&o.HTTP, "http", 0, "deliveries by http for each image, of both topics together")
			fs.StringVar(&o.Prices, "prices", "", "file with a table of prices, as deploy/prices/us-east-1.json")
			return func(ctx context.Context, io app.IO, args []string) error {
				switch {
				case none(args) != nil:
					return none(args)
				case o.Sample < 1:
					return &usageError{"cost", errors.New("cost: --sample is at least 1")}
				}
				for name, v := range map[string]float64{"bytes": o.Bytes, "outputs": o.Outputs, "output-bytes": o.OutBytes, "service-ms": o.ServiceMS} {
					if fs.Changed(name) && v < 0 {
						return &usageError{"cost", errors.New("cost: --" + name + " is not negative")}
					}
				}
				return app.Cost(ctx, *cfg, io, o)
			}
		},
	}
}
