package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/tintype/tintype/internal/app"
	"github.com/tintype/tintype/internal/config"
)

func recipeCommand() command {
	return command{
		name: "recipe", args: "check FILE | list | show NAME | schema", summary: "check a recipe file, show recipes",
		groups: []config.Group{config.GroupRecipes},
		setup: func(_ *pflag.FlagSet, cfg *config.Config) func(context.Context, app.IO, []string) error {
			return func(_ context.Context, io app.IO, args []string) error {
				want := map[string]int{"check": 2, "list": 1, "show": 2, "schema": 1}
				switch {
				case len(args) == 0:
					return &usageError{"recipe", errors.New("recipe: say check, list, show or schema")}
				case want[args[0]] == 0:
					return &usageError{"recipe", fmt.Errorf("recipe: there is no %q: say check, list, show or schema", args[0])}
				case len(args) < want[args[0]]:
					return &usageError{"recipe", fmt.Errorf("recipe %s: name one", args[0])}
				case len(args) > want[args[0]]:
					return &usageError{"recipe", fmt.Errorf("recipe %s: %q is too much", args[0], args[want[args[0]]])}
				}
				switch args[0] {
				case "check":
					return app.RecipeCheck(io, args[1])
				case "list":
					return app.RecipeList(*cfg, io)
				case "show":
					return app.RecipeShow(*cfg, io, args[1])
				default:
					return app.RecipeSchema(io)
				}
			}
		},
	}
}

func processCommand() command {
	return command{
		name: "process", args: "IN OUT", summary: "process one file on this machine, without any service",
		groups: []config.Group{config.GroupRecipes, config.GroupLimits, config.GroupImaging},
		setup: func(fs *pflag.FlagSet, cfg *config.Config) func(context.Context, app.IO, []string) error {
			var o app.ProcessOptions
			fs.StringVar(&o.Recipe, "recipe", "", "recipe to process it with (default: what the rules say of its name, or tint)")
			fs.Var(pairs{&o.Params}, "param", "parameter of the recipe, as name=value; repeatable")
			fs.StringVar(&o.Output, "output", "", "the one output that is wanted, where OUT is a file")
			fs.Var(pairs{&o.Assets}, "asset", "file in place of an object that the recipe names, as key=file; repeatable")
			return func(ctx context.Context, io app.IO, args []string) error {
				if len(args) != 2 {
					return &usageError{"process", errors.New("process: name a file (or - for the standard input), and a directory or a file to write")}
				}
				return app.Process(ctx, *cfg, io, o, args[0], args[1])
			}
		},
	}
}

// pairs is a repeatable flag of the form name=value. The value may hold anything.
type pairs struct{ to *map[string]string }

func (p pairs) String() string {
	return ""
}

func (p pairs) Set(text string) error {
	name, value, ok := strings.Cut(text, "=")
	if !ok || name == "" {
		return fmt.Errorf("%q is not of the form name=value", text)
	}
	if *p.to == nil {
		*p.to = map[string]string{}
	}
	(*p.to)[name] = value
	return nil
}

func (p pairs) Type() string { return "name=value" }
