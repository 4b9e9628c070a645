package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/tintype/tintype/internal/app"
	"github.com/tintype/tintype/internal/config"
)

// verbs are the words that a command of several takes first: how many arguments follow, and
// which flags go with them.
type verbs map[string]verb

type verb struct {
	min, max int // arguments; max -1: any number
	flags    []string
}

// check refuses what makes no sense. Flags that all verbs take are those of no verb.
func (v verbs) check(name string, fs *pflag.FlagSet, args []string) (err error) {
	names := make([]string, 0, len(v))
	own := map[string]bool{}
	for n, x := range v {
		names = append(names, n)
		for _, f := range x.flags {
			own[f] = true
		}
	}
	slices.Sort(names)
	refuse := func(format string, args ...any) error {
		return &usageError{name, fmt.Errorf(name+format, args...)}
	}
	list := strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
	if len(args) == 0 {
		return refuse(": say %s", list)
	}
	x, ok := v[args[0]]
	switch n := len(args) - 1; {
	case !ok:
		return refuse(": there is no %q: say %s", args[0], list)
	case n < x.min:
		return refuse(" %s: name one", args[0])
	case x.max >= 0 && n > x.max:
		return refuse(" %s: %q is too much", args[0], args[1+x.max])
	}
	fs.Visit(func(f *pflag.Flag) {
		if isTyped(f) && own[f.Name] && !slices.Contains(x.flags, f.Name) && err == nil {
			err = refuse(" %s: it takes no --%s", args[0], f.Name)
		}
	})
	return err
}

func dlqCommand() command {
	return command{
		name: "dlq", args: "list | show ID | redrive ID… | drop ID…", summary: "see why messages are dead letters, send them back or drop them",
		about: `list     what is in the dead-letter queue, and why
show     one message: its body, its attempts, how its image is now, what to do
redrive  send messages back to the queue, when the cause is mended
drop     delete messages for good

SQS lets nobody look without receiving: every look counts as a receive of what it sees
(which does no harm in a dead-letter queue), and others do not see those messages while
it lasts. A redriven message gets a new id, and all its receives anew.
`,
		groups: aws,
		setup: func(fs *pflag.FlagSet, cfg *config.Config) func(context.Context, app.IO, []string) error {
			var o app.TakeOptions
			limit := fs.Int("limit", 100, "list: most messages to list; 0: all")
			fs.BoolVar(&o.All, "all", false, "redrive, drop: all messages that are there")
			fs.IntVar(&o.Rate, "rate", 0, "redrive: most messages per second; 0: as fast as it goes")
			fs.BoolVar(&o.DryRun, "dry-run", false, "redrive, drop: only say which messages are meant")
			fs.BoolVar(&o.Yes, "yes", false, "drop: do not ask")
			return func(ctx context.Context, io app.IO, args []string) error {
				err := verbs{
					"list": {0, 0, []string{"limit"}}, "show": {1, 1, nil},
					"redrive": {0, -1, []string{"all", "rate", "dry-run"}}, "drop": {0, -1, []string{"all", "dry-run", "yes"}},
				}.check("dlq", fs, args)
				if err != nil {
					return err
				}
				// Nobody means all in the environment or a file, for every command to come.
				o.All, o.Yes = o.All && isTyped(fs.Lookup("all")), o.Yes && isTyped(fs.Lookup("yes"))
				switch {
				case *limit < 0 || o.Rate < 0:
					return &usageError{"dlq", fmt.Errorf("dlq %s: a negative number", args[0])}
				case args[0] == "list":
					return app.DeadLetterList(ctx, *cfg, io, *limit)
				case args[0] == "show":
					return app.DeadLetterShow(ctx, *cfg, io, args[1])
				}
				if o.IDs = args[1:]; o.All == (len(o.IDs) > 0) {
					return &usageError{"dlq", fmt.Errorf("dlq %s: either name messages, or say --all", args[0])}
				}
				if args[0] == "redrive" {
					return app.DeadLetterRedrive(ctx, *cfg, io, o)
				}
				return app.DeadLetterDrop(ctx, *cfg, io, o)
			}
		},
	}
}

func queueCommand() command {
	return command{
		name: "queue", args: "stats | peek | redrive | purge", summary: "see how the queues are, look into them, empty them",
		about: `stats    how many messages wait, are in flight and are dead, and how the queues are set up
peek     some of the messages that wait, and what is on record of their attempts
redrive  send all dead letters back: tintype dlq redrive --all
purge    delete all messages of the queue; the originals stay

A peek counts as one of the receives after which a message is a dead letter, and keeps
what it sees from the app tiers for the moment that it lasts.
`,
		groups: aws,
		setup: func(fs *pflag.FlagSet, cfg *config.Config) func(context.Context, app.IO, []string) error {
			o := app.TakeOptions{All: true}
			limit := fs.Int("limit", 5, "peek: most messages to show")
			fs.IntVar(&o.Rate, "rate", 0, "redrive: most messages per second; 0: as fast as it goes")
			fs.BoolVar(&o.DryRun, "dry-run", false, "redrive: only say which messages are meant")
			fs.BoolVar(&o.Yes, "yes", false, "purge: do not ask")
			return func(ctx context.Context, io app.IO, args []string) error {
				err := verbs{"stats": {0, 0, nil}, "peek": {0, 0, []string{"limit"}}, "redrive": {0, 0, []string{"rate", "dry-run"}}, "purge": {0, 0, []string{"yes"}}}.check("queue", fs, args)
				if err != nil {
					return err
				}
				switch {
				case *limit < 1 || *limit > 1000 || o.Rate < 0:
					return &usageError{"queue", fmt.Errorf("queue %s: --limit goes from 1 to 1000, --rate from 0", args[0])}
				case args[0] == "stats":
					return app.QueueStats(ctx, *cfg, io)
				case args[0] == "peek":
					return app.QueuePeek(ctx, *cfg, io, *limit)
				case args[0] == "redrive":
					return app.DeadLetterRedrive(ctx, *cfg, io, o)
				}
				return app.QueuePurge(ctx, *cfg, io, o.Yes && isTyped(fs.Lookup("yes")))
			}
		},
	}
}
