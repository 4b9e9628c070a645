package app

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tintype/tintype/internal/provision"
)

// takeDown deletes what provision made, after it has said what that is and was told to.
func takeDown(ctx context.Context, d *deployment, out IO, o ProvisionOptions) error {
	for _, b := range o.Force {
		if b != d.spec.UploadsBucket && b != d.spec.ResultsBucket {
			return refuse("the name as it is, with its prefix", "--force %s: the buckets are %s and %s", b, d.spec.UploadsBucket, d.spec.ResultsBucket)
		}
	}
	planned, err := provision.Delete(ctx, d.clients, d.spec, provision.DeleteOptions{DryRun: true, Force: o.Force})
	if err != nil {
		return err
	}
	var going []string
	for _, ch := range planned {
		if ch.Action == provision.Deleted {
			what := ch.Resource
			if slices.ContainsFunc(o.Force, func(b string) bool { return what == "bucket "+b }) {
				what += " WITH ALL THAT IS IN IT"
			}
			going = append(going, what)
		}
	}
	if o.DryRun || len(going) == 0 {
		if err := printChanges(out, planned); err != nil {
			return err
		}
		if !out.JSON {
			fmt.Fprintln(out.Out, "Nothing was deleted.")
		}
		return nil
	}
	if !o.Yes {
		if err := confirm(ctx, out, "These go for good, with messages that still wait: "+strings.Join(going, ", "), "delete"); err != nil {
			return err
		}
	}
	changes, err := provision.Delete(ctx, d.clients, d.spec, provision.DeleteOptions{Force: o.Force})
	if perr := printChanges(out, changes); perr != nil {
		return perr
	}
	return err
}
