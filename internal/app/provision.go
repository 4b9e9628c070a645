package app

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/tintype/tintype/internal/config"
	"github.com/tintype/tintype/internal/provision"
)

// Provision creates or repairs the resources and says what it changed.
func Provision(ctx context.Context, cfg config.Config, out IO) error {
	c, err := loadAWS(ctx, cfg, quiet(out.Err))
	if err != nil {
		return err
	}
	d, err := openDeployment(cfg, c)
	if err != nil {
		return err
	}
	res, changes, err := provision.Ensure(ctx, d.clients, d.spec)
	for _, ch := range changes {
		if out.JSON {
			if err := json.NewEncoder(out.Out).Encode(ch); err != nil {
				return err
			}
		} else {
			fmt.Fprintf(out.Out, "%-22s  %s\n", ch.Action, ch.Resource)
		}
	}
	if err != nil {
		return err
	}
	if out.JSON {
		return json.NewEncoder(out.Out).Encode(map[string]any{"resources": res})
	}
	for _, ch := range changes {
		if ch.Action == provision.Requested {
			fmt.Fprintln(out.Out, "A subscription by mail starts when its owner follows the link in the confirmation mail.")
			break
		}
	}
	return nil
}
