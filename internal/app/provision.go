package app

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/tintype/tintype/internal/config"
	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/provision"
	"github.com/tintype/tintype/internal/provision/template"
)

// ProvisionOptions say what provision does besides bringing everything to its declared state.
type ProvisionOptions struct {
	DryRun   bool
	Template string // prints that instead
	Account  string // of the ARNs in what is printed; empty: as the services say
}

// Provision creates or repairs the resources and says what it changed.
func Provision(ctx context.Context, cfg config.Config, out IO, o ProvisionOptions) error {
	if o.Template == "cloudformation" {
		_, err := out.Out.Write(template.CloudFormation(templateNames(cfg)))
		return err
	}
	c, err := loadAWS(ctx, cfg, quiet(out.Err))
	if err != nil {
		return err
	}
	d, err := openDeployment(cfg, c)
	if err != nil {
		return err
	}
	if o.Template != "" {
		return printPolicies(ctx, d, out, o)
	}
	run := provision.Ensure
	if o.DryRun {
		run = provision.Check
	}
	res, changes, err := run(ctx, d.clients, d.spec)
	if perr := printChanges(out, changes); perr != nil {
		return perr
	}
	if err != nil {
		return err
	}
	if out.JSON {
		return json.NewEncoder(out.Out).Encode(map[string]any{"resources": res, "dryRun": o.DryRun})
	}
	sayAfter(out, d.spec, changes, o.DryRun)
	return nil
}

// templateNames are the names that a template writes down; the rest it has as parameters.
func templateNames(cfg config.Config) provision.Spec {
	return provision.Spec{
		UploadsBucket: cfg.Names.UploadsBucket, ResultsBucket: cfg.Names.ResultsBucket,
		Queue: cfg.Names.Queue, DeadLetterQueue: cfg.Names.DeadLetterQueue,
		UploadTopic: cfg.Names.UploadTopic, CompletionTopic: cfg.Names.CompletionTopic,
	}
}

func printChanges(out IO, changes []provision.Change) error {
	for _, ch := range changes {
		if out.JSON {
			if err := json.NewEncoder(out.Out).Encode(ch); err != nil {
				return err
			}
			continue
		}
		what := ch.Resource
		if ch.Detail != "" {
			what += " (" + ch.Detail + ")"
		}
		fmt.Fprintf(out.Out, "%-22s  %s\n", ch.Action, what)
	}
	return nil
}

// sayAfter tells what is left for people to do.
func sayAfter(out IO, s provision.Spec, changes []provision.Change, dry bool) {
	did := func(a provision.Action) bool {
		return slices.ContainsFunc(changes, func(ch provision.Change) bool { return ch.Action == a })
	}
	if dry {
		fmt.Fprintln(out.Out, "Nothing was changed: this is what a run without --dry-run would do.")
		return
	}
	if did(provision.Requested) {
		fmt.Fprintln(out.Out, "A subscription by mail starts when its owner follows the link in the confirmation mail.")
	}
	if s.KMSKey != "" {
		fmt.Fprintln(out.Out, "The key's own policy must let S3 and SNS use it, or events are lost on their way: `tintype provision --template kms` prints the statements.")
	}
	if s.PlainHTTP {
		fmt.Fprintln(out.Out, "The endpoint is reached by plain HTTP: the policies that refuse this were left out.")
	}
}

// printPolicies prints the roles' policies, or what the key's policy needs.
func printPolicies(ctx context.Context, d *deployment, out IO, o ProvisionOptions) error {
	s := d.spec
	s.Account = o.Account
	if s.Account == "" {
		res, err := provision.Find(ctx, d.clients, s)
		if err != nil {
			return &fault.Error{Op: "find out the account", Kind: fault.Permanent, Code: fault.CodeUnavailable, Message: "the queue does not tell it", Hint: "name it with --account, or run `tintype provision` first", Err: err}
		}
		s.Account = res.Account
	}
	policies := template.IAM
	if o.Template == "kms" {
		policies = template.KMS
	}
	b, err := policies(s)
	if err != nil {
		return err
	}
	_, err = out.Out.Write(b)
	return err
}
