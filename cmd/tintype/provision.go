package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"github.com/spf13/pflag"

	"github.com/tintype/tintype/internal/app"
	"github.com/tintype/tintype/internal/config"
)

var accountID = regexp.MustCompile(`^[0-9]{12}$`)

func provisionCommand() command {
	return command{
		name: "provision", summary: "create or repair buckets, topics, queues, subscriptions and the event notification",
		groups: join(aws, []config.Group{config.GroupWeb, config.GroupProvision}),
		setup: func(fs *pflag.FlagSet, cfg *config.Config) func(context.Context, app.IO, []string) error {
			var o app.ProvisionOptions
			fs.BoolVar(&o.DryRun, "dry-run", false, "say what would be changed, and change nothing")
			fs.BoolVar(&o.Delete, "delete", false, "take it all down again, after asking; buckets only when they are empty")
			fs.StringSliceVar(&o.Force, "force", nil, "with --delete: name of a bucket that goes with all that is in it; repeatable")
			fs.BoolVar(&o.Yes, "yes", false, "with --delete: do not ask")
			fs.StringVar(&o.Template, "template", "", "print that instead: cloudformation (all resources and roles), iam (the roles' policies), kms (what the key's policy needs)")
			fs.StringVar(&o.Account, "account", "", "AWS account id in printed policies (default: the account of the queue)")
			fs.StringVar(&cfg.KMSKey, "kms-key", cfg.KMSKey, "ARN of the KMS key to encrypt buckets, topics and queues with")
			fs.DurationVar(&cfg.QueueVisibility, "queue-visibility", cfg.QueueVisibility, "visibility timeout of the queue; six times a Lambda function's timeout where functions work off the queue (0: as it is)")
			fs.StringToStringVar(&cfg.Tags, "tag", cfg.Tags, "further tag of every resource, as name=value; repeatable")
			return func(ctx context.Context, io app.IO, args []string) error {
				if err := none(args); err != nil {
					return err
				}
				switch o.Template {
				case "", "cloudformation", "iam", "kms":
				default:
					return &usageError{"provision", fmt.Errorf("--template: %q: cloudformation, iam or kms", o.Template)}
				}
				if !o.Delete && (o.Yes || len(o.Force) > 0) {
					return &usageError{"provision", errors.New("--force and --yes go with --delete")}
				}
				if o.Account != "" && !accountID.MatchString(o.Account) {
					return &usageError{"provision", errors.New("--account: an account's id has twelve digits")}
				}
				return app.Provision(ctx, *cfg, io, o)
			}
		},
	}
}
