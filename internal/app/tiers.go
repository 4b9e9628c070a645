package app

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/tintype/tintype/internal/config"
	"github.com/tintype/tintype/internal/coupled"
	"github.com/tintype/tintype/internal/provision"
	"github.com/tintype/tintype/internal/queue"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/telemetry"
	"github.com/tintype/tintype/internal/web"
	"github.com/tintype/tintype/internal/worker"
)

// The architectures of --mode; "both" is the third.
const (
	modeDecoupled = "decoupled"
	modeCoupled   = "coupled"
)

// Web runs one web tier until ctx ends.
func Web(ctx context.Context, cfg config.Config, out IO) error {
	if cfg.Mode == modeCoupled {
		cfg.Web.Addr = cfg.Coupled.WebAddr
	}
	access, err := openAccess(cfg, logger(cfg, out.Err))
	if err != nil {
		return err
	}
	if cfg.Mode == modeCoupled {
		return runTier(ctx, cfg, out, tier{
			addr: cfg.Coupled.WebAddr, name: "coupled web tier", tells: "coupled web", flag: "coupled-web-addr", make: access.coupledWeb,
			welcome: "The coupled web tier is at " + access.scheme + "://%s and calls " + cfg.Coupled.URL() + ". Ctrl-C stops it.\n",
		})
	}
	return runTier(ctx, cfg, out, tier{
		addr: cfg.Web.Addr, name: "web tier", tells: "web", flag: "web-addr", make: access.webTier,
		welcome: "The web tier is at " + access.scheme + "://%s. Ctrl-C stops it.\n",
	})
}

// Worker runs one app tier until ctx ends.
func Worker(ctx context.Context, cfg config.Config, out IO) error {
	if cfg.Mode == modeCoupled {
		if err := coupledMayBeReached(cfg); err != nil {
			return err
		}
		return runTier(ctx, cfg, out, tier{
			addr: cfg.Coupled.AppAddr, name: "coupled app tier", tells: "coupled app", flag: "coupled-app-addr", make: coupledApp,
			welcome: "The coupled app tier takes POST http://%s" + coupled.Path + ". Ctrl-C stops it.\n",
		})
	}
	return runTier(ctx, cfg, out, tier{
		addr: cfg.App.Addr, name: "app tier", tells: "app", flag: "app-addr", make: appTier,
		welcome: "The app tier works off queue " + cfg.Names.Queue + "; health and metrics are at http://%s. Ctrl-C stops it.\n",
	})
}

// tier is one tier as a command of its own.
type tier struct {
	addr, name, flag string
	tells            string // its name in logs and traces
	welcome          string // with a verb for the address
	make             func(config.Config, *recipe.Book, aws.Config, net.Listener, *telemetry.Tier) service
}

func runTier(ctx context.Context, cfg config.Config, out IO, t tier) error {
	book, err := recipes(cfg)
	if err != nil {
		return err
	}
	log := logger(cfg, out.Err)
	c, err := loadAWS(ctx, cfg, log)
	if err != nil {
		return err
	}
	ln, err := listen(t.addr, t.name, t.flag)
	if err != nil {
		return err
	}
	traces, err := openTraces(ctx, cfg, log)
	if err != nil {
		ln.Close()
		return err
	}
	defer traces.Close()
	fmt.Fprintf(out.Out, t.welcome, ln.Addr())
	return runAll(ctx, log, t.make(cfg, book, c, ln, telemetry.NewTier(t.tells, traces, log)))
}

// webTier is the web tier as a service. It waits for the endpoint if that does not
// answer yet.
func (access *webAccess) webTier(cfg config.Config, book *recipe.Book, c aws.Config, ln net.Listener, tel *telemetry.Tier) service {
	return service{name: "web tier", run: func(ctx context.Context) error {
		defer ln.Close()
		log, c := tel.Log, tel.AWS(c)
		tel.BuildInfo(Program(), "")
		if !access.guard.Asks() && !isLoopback("http://"+ln.Addr().String()) {
			log.Warn("the web tier is open to other machines and asks nobody who they are", "address", ln.Addr().String())
		}
		d, err := openDeployment(cfg, c)
		if err != nil {
			return err
		}
		res, err := d.find(ctx, log)
		if err != nil {
			return stopped(ctx, err)
		}
		host, err := os.Hostname()
		if err != nil {
			host = "" // only a part of the queue's name, for operators
		}
		apps := d.presences(cfg, log)
		srv, err := web.New(web.Options{
			Store: d.store, Recipes: book, DeadLetters: webDeadLetters(d, res, log),
			Notifier: web.NotifierOptions{SQS: d.clients.SQS, SNS: d.clients.SNS, TopicARN: res.CompletionTopicARN, Host: host},
			Backlog:  d.backlog(cfg, res, apps), Apps: apps, AppsEvery: cfg.Presence,
			Mode: modeDecoupled, MaxBytes: cfg.Limits.Bytes, MaxPixels: cfg.Limits.Pixels, MaxSide: cfg.Limits.Side,
			Names: web.Names{
				Uploads: cfg.Names.Uploads(), Results: cfg.Names.Results(), Queue: cfg.Names.Queue, DeadLetters: cfg.Names.DeadLetterQueue,
				UploadTopic: cfg.Names.UploadTopic, CompletionTopic: cfg.Names.CompletionTopic,
			},
			Origins: pageOrigins(cfg), Auth: access.guard, CORSOrigins: cfg.Web.Access.CORSOrigins,
			Uploads: cfg.Web.Uploads, Version: Program(), Logger: log,
			Metrics: tel.Registry, Tracer: tel.Tracer, AccessLog: cfg.Log.Access,
		})
		if err != nil {
			return err
		}
		return runAll(ctx, log,
			service{"web server", func(ctx context.Context) error { return serve(ctx, access.secure(ln), srv.Handler(), cfg.Drain, log) }},
			// Stops first: it ends the event streams, for which the server would wait.
			service{"completion messages", srv.Run},
		)
	}}
}

// appTier is the app tier as a service: the queue's engine with the worker as its
// handler, and a server for health, readiness and metrics.
func appTier(cfg config.Config, book *recipe.Book, c aws.Config, ln net.Listener, tel *telemetry.Tier) service {
	return service{name: "app tier", run: func(ctx context.Context) error {
		log := tel.Log
		status := newAppStatus(tel)
		return runAll(ctx, log,
			service{"app server", func(ctx context.Context) error { return serve(ctx, ln, status.handler(), cfg.Drain, log) }},
			service{"queue", func(ctx context.Context) error { return workQueue(ctx, cfg, book, tel.AWS(c), status, tel) }},
		)
	}}
}

func workQueue(ctx context.Context, cfg config.Config, book *recipe.Book, c aws.Config, status *appStatus, tel *telemetry.Tier) error {
	log := tel.Log
	engine, timeout, err := openTierImager(cfg, tel)
	if err != nil {
		return err
	}
	defer engine.Close()
	d, err := openDeployment(cfg, c)
	if err != nil {
		return err
	}
	res, err := d.find(ctx, log)
	if err != nil {
		return stopped(ctx, err)
	}
	w, err := newWorker(cfg, book, d, res, engine, timeout, status.changed, log, tel)
	if err != nil {
		return err
	}
	q, err := queue.New(d.clients.SQS, queue.Options{
		QueueURL: res.QueueURL, DrainTimeout: cfg.Drain, Logger: log,
		// More messages than workers are held, so that fetching and storing go on while
		// all workers compute.
		Slots: slots(cfg), Busy: w.Busy,
	}, w.Handle)
	if err != nil {
		return err
	}
	q.Register(tel.Registry)
	tel.Registry.MustRegister(d.backlog(cfg, res, d.presences(cfg, log)))
	status.working(q, w)
	return status.run(ctx, cfg, d, log)
}

// newWorker makes what handles a message, wherever messages come from. Changed is told when
// what is in work has changed; nil: nobody.
func newWorker(cfg config.Config, book *recipe.Book, d *deployment, res provision.Resources, engine imager, timeout time.Duration, changed func(), log *slog.Logger, tel *telemetry.Tier) (*worker.Worker, error) {
	announcer := worker.NewSNSAnnouncer(d.clients.SNS, res.CompletionTopicARN)
	if page := cfg.App.PageURL; page != "" {
		announcer.PageURL = func(string) string { return page }
	}
	o := worker.Options{
		Store: d.store, Imaging: engine, Recipes: book, Attempts: d.store,
		Announcer:     announcer,
		UploadsBucket: d.spec.UploadsBucket, MaxBytes: cfg.Limits.Bytes, Workers: cfg.App.Workers, ImageTimeout: timeout,
		InWorkChanged: changed,
		Program:       Program(), Logger: log,
	}
	if tel != nil { // a function has no port to tell figures at
		o.Metrics, o.Tracer = tel.Registry, tel.Tracer
	}
	return worker.New(o)
}

// slots is how many messages an app tier has in work at once.
func slots(cfg config.Config) int {
	if cfg.App.Slots > 0 {
		return cfg.App.Slots
	}
	return 4*cfg.App.Workers + 4 // enough that AWS's latencies leave no core idle: docs/performance.md
}

// stopped is nil where the failure is only that we were told to stop.
func stopped(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil //nolint:nilerr // calls that the stop cut off are no failures
	}
	return err
}
