package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/tintype/tintype/internal/app"
	"github.com/tintype/tintype/internal/config"
)

// command is one subcommand. setup binds its flags and returns what runs it once
// they are parsed; it gets the arguments that are left.
type command struct {
	name, args, summary string
	about               string // further words for --help, in whole lines
	groups              []config.Group
	setup               func(fs *pflag.FlagSet, cfg *config.Config) func(ctx context.Context, io app.IO, args []string) error
}

// plain adapts a command without flags and arguments of its own.
func plain(run func(context.Context, config.Config, app.IO) error) func(*pflag.FlagSet, *config.Config) func(context.Context, app.IO, []string) error {
	return func(_ *pflag.FlagSet, cfg *config.Config) func(context.Context, app.IO, []string) error {
		return func(ctx context.Context, io app.IO, args []string) error {
			if err := none(args); err != nil {
				return err
			}
			return run(ctx, *cfg, io)
		}
	}
}

// oneTier adapts a command that runs one tier of one architecture.
func oneTier(run func(context.Context, config.Config, app.IO) error) func(*pflag.FlagSet, *config.Config) func(context.Context, app.IO, []string) error {
	return func(fs *pflag.FlagSet, cfg *config.Config) func(context.Context, app.IO, []string) error {
		fs.StringVar(&cfg.Mode, "mode", cfg.Mode, "architecture that the tier belongs to: decoupled or coupled")
		return plain(func(ctx context.Context, cfg config.Config, out app.IO) error {
			if cfg.Mode == "both" {
				return &usageError{"", errors.New("--mode: one tier belongs to one architecture: decoupled or coupled")}
			}
			return run(ctx, cfg, out)
		})(fs, cfg)
	}
}

var (
	aws   = []config.Group{config.GroupAWS, config.GroupNames}
	tiers = []config.Group{config.GroupRecipes, config.GroupLimits, config.GroupTelemetry, config.GroupRun}
)

func commands() []command {
	return []command{
		{
			name: "up", summary: "start everything on this machine: endpoint, resources, web tier, app tier",
			groups: join([]config.Group{config.GroupEndpoint, config.GroupWeb, config.GroupAccess, config.GroupApp, config.GroupImaging, config.GroupNames, config.GroupPresence, config.GroupProvision, config.GroupCoupled}, tiers),
			setup: func(fs *pflag.FlagSet, cfg *config.Config) func(context.Context, app.IO, []string) error {
				cfg.Presence = time.Second // costs nothing here, and the page shows what is in work
				fs.StringVar(&cfg.Mode, "mode", cfg.Mode, "architecture to run: decoupled, coupled, or both side by side")
				fs.StringVar(&cfg.AWS.PublicS3URL, "public-s3-url", cfg.AWS.PublicS3URL, "URL at which browsers reach the endpoint, where it is not its address")
				return plain(app.Up)(fs, cfg)
			},
		},
		{
			name: "web", summary: "run a web tier against the endpoint that the AWS environment names",
			groups: join(aws, []config.Group{config.GroupWeb, config.GroupAccess, config.GroupPresence, config.GroupCoupled}, tiers), setup: oneTier(app.Web),
		},
		{
			name: "app", summary: "run an app tier against the endpoint that the AWS environment names",
			groups: join(aws, []config.Group{config.GroupApp, config.GroupImaging, config.GroupPresence, config.GroupCoupled}, tiers), setup: oneTier(app.Worker),
		},
		{
			name: "endpoint", summary: "run the embedded S3, SNS and SQS alone",
			groups: []config.Group{config.GroupEndpoint, config.GroupRun}, setup: plain(app.Endpoint),
		},
		provisionCommand(),
		{
			name: "doctor", summary: "say what is wrong with this machine and the deployment, and how to mend it",
			groups: join(aws, []config.Group{config.GroupWeb, config.GroupImaging, config.GroupRecipes}), setup: doctor,
		},
		{
			name: "upload", args: "FILE…", summary: "upload images",
			groups: join(aws, []config.Group{config.GroupRecipes, config.GroupLimits}),
			setup: func(fs *pflag.FlagSet, cfg *config.Config) func(context.Context, app.IO, []string) error {
				var o app.UploadOptions
				var tint string
				fs.StringVar(&o.Recipe, "recipe", "", "recipe to process them with (default: tint)")
				fs.StringVar(&tint, "tint", "", "colour of the tint, as #rrggbb; short for --param tint=…")
				fs.Var(pairs{&o.Params}, "param", "parameter of the recipe, as name=value; repeatable")
				fs.BoolVar(&o.Wait, "wait", false, "wait until they are processed and print where the results are")
				fs.DurationVar(&o.Timeout, "timeout", 5*time.Minute, "longest wait for one image")
				return func(ctx context.Context, io app.IO, args []string) error {
					if len(args) == 0 {
						return &usageError{"upload", errors.New("upload: name at least one file")}
					}
					if tint != "" {
						if o.Params == nil {
							o.Params = map[string]string{}
						}
						o.Params["tint"] = tint
					}
					return app.Upload(ctx, *cfg, io, o, args)
				}
			},
		},
		{
			name: "status", args: "ID…", summary: "say how far images are",
			groups: aws,
			setup: func(_ *pflag.FlagSet, cfg *config.Config) func(context.Context, app.IO, []string) error {
				return func(ctx context.Context, io app.IO, args []string) error {
					if len(args) == 0 {
						return &usageError{"status", errors.New("status: name at least one image's id; `tintype list` shows them")}
					}
					return app.Status(ctx, *cfg, io, args)
				}
			},
		},
		{
			name: "list", summary: "list images, newest first",
			groups: join(aws, []config.Group{config.GroupRecipes}),
			setup: func(fs *pflag.FlagSet, cfg *config.Config) func(context.Context, app.IO, []string) error {
				limit := fs.Int("limit", 50, "most images to list")
				return func(ctx context.Context, io app.IO, args []string) error {
					if err := none(args); err != nil {
						return err
					}
					return app.List(ctx, *cfg, io, *limit)
				}
			},
		},
		topCommand(),
		labCommand(),
		auditCommand(), backfillCommand(), costCommand(),
		dlqCommand(),
		queueCommand(),
		processCommand(),
		recipeCommand(),
		authCommand(),
		lambdaCommand(), healthcheckCommand(),
		{
			name: "version", summary: "print the version",
			setup: func(*pflag.FlagSet, *config.Config) func(context.Context, app.IO, []string) error {
				return func(_ context.Context, io app.IO, args []string) error {
					_, err := fmt.Fprintln(io.Out, app.Program())
					return err
				}
			},
		},
	}
}

func none(args []string) error {
	if len(args) > 0 {
		return &usageError{"", fmt.Errorf("%q is not understood", args[0])}
	}
	return nil
}

func join(groups ...[]config.Group) (out []config.Group) {
	for _, g := range groups {
		out = append(out, g...)
	}
	return out
}

func dispatch(ctx context.Context, args []string, io app.IO, getenv func(string) string) error {
	if len(args) == 0 {
		usage(io.Err)
		return &usageError{"", errors.New("name a command")}
	}
	switch args[0] {
	case "help", "--help", "-h":
		usage(io.Out)
		return nil
	case "--version":
		args = []string{"version"}
	}
	for _, c := range commands() {
		if c.name == args[0] {
			return c.run(ctx, args[1:], io, getenv)
		}
	}
	return &usageError{"", fmt.Errorf("there is no command %q", args[0])}
}

func (c command) run(ctx context.Context, args []string, io app.IO, getenv func(string) string) error {
	cfg := config.Default()
	fs, start := c.flags(&cfg, &io)
	if err := fs.Parse(args); errors.Is(err, pflag.ErrHelp) {
		about := c.about
		if about != "" {
			about += "\n"
		}
		fmt.Fprintf(io.Out, "tintype %s: %s\n\nUsage: tintype %s [flags] %s\n\n%s%s", c.name, c.summary, c.name, c.args, about, fs.FlagUsages())
		return nil
	} else if err != nil {
		return &usageError{c.name, fmt.Errorf("%s: %w", c.name, err)}
	}
	fs.Visit(func(f *pflag.Flag) { f.Annotations = map[string][]string{typed: nil} })
	if err := config.Load(fs, getenv, isSetting); err != nil {
		return &usageError{c.name, err}
	}
	if err := cfg.Validate(); err != nil {
		return &usageError{c.name, err}
	}
	return start(ctx, io, fs.Args())
}

// typed marks flags that are on the command line, not in the environment or a file.
const typed = "typed"

func isTyped(f *pflag.Flag) bool {
	_, ok := f.Annotations[typed]
	return ok
}

func (c command) flags(cfg *config.Config, io *app.IO) (*pflag.FlagSet, func(context.Context, app.IO, []string) error) {
	fs := pflag.NewFlagSet(c.name, pflag.ContinueOnError)
	fs.SortFlags = false
	fs.Usage = func() {}
	start := c.setup(fs, cfg)
	fs.BoolVar(&io.JSON, "json", false, "print JSON lines")
	cfg.Bind(fs, c.groups...)
	return fs, start
}

// isSetting reports whether any command has a flag of that name.
func isSetting(name string) bool {
	for _, c := range commands() {
		cfg := config.Default()
		if fs, _ := c.flags(&cfg, &app.IO{}); fs.Lookup(name) != nil {
			return true
		}
	}
	return false
}

func usage(w io.Writer) {
	var b strings.Builder
	b.WriteString("Tintype processes images after upload, driven by S3, SNS and SQS events.\n\nUsage: tintype COMMAND [flags] [arguments]\n\n")
	for _, c := range commands() {
		fmt.Fprintf(&b, "  %-18s %s\n", strings.TrimSpace(c.name+" "+c.args), c.summary)
	}
	b.WriteString("\n`tintype COMMAND --help` lists a command's flags. Each flag is also an environment\nvariable (--web-addr: TINTYPE_WEB_ADDR) and a key of the file named by --config.\n")
	fmt.Fprint(w, b.String())
}
