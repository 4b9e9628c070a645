package app

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/tintype/tintype/internal/config"
	"github.com/tintype/tintype/internal/coupled"
	calls "github.com/tintype/tintype/internal/coupled/process"
	"github.com/tintype/tintype/internal/provision"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/web"
	"github.com/tintype/tintype/internal/worker"
)

// openCoupled is the AWS side of the coupled pair: its own two buckets, made where they are
// missing.
func openCoupled(ctx context.Context, cfg config.Config, c aws.Config) (*deployment, error) {
	cfg.Names = cfg.Names.Coupled()
	cfg.Web.Addr = cfg.Coupled.WebAddr // whose page reads from the buckets
	d, err := openDeployment(cfg, c)
	if err != nil {
		return nil, err
	}
	_, err = provision.EnsureBuckets(ctx, d.clients, d.spec)
	return d, err
}

// coupledMayBeReached refuses addresses of the pair that other machines reach: POST /process
// asks nobody who they are.
func coupledMayBeReached(cfg config.Config) error {
	if err := mayBeReached(cfg, cfg.Coupled.AppAddr, "the coupled app tier", "bind --coupled-app-addr to 127.0.0.1, or say --open where only the web tier reaches it"); err != nil {
		return err
	}
	if cfg.Web.Access.Auth != "none" || cfg.Mode == modeCoupled {
		return nil
	}
	return mayBeReached(cfg, cfg.Coupled.WebAddr, "the coupled web tier", "ask for names with --auth basic, oidc or proxy, bind --coupled-web-addr to 127.0.0.1, or say --open to let anybody in")
}

// coupledWeb is the coupled web tier as a service: it hands uploads to the app tier and waits.
func (access *webAccess) coupledWeb(cfg config.Config, book *recipe.Book, c aws.Config, ln net.Listener, log *slog.Logger) service {
	return service{name: "coupled web tier", run: func(ctx context.Context) error {
		defer ln.Close()
		log := log.With("tier", "coupled web")
		d, err := retried(ctx, log, func() (*deployment, error) { return openCoupled(ctx, cfg, c) })
		if err != nil {
			return stopped(ctx, err)
		}
		srv, err := web.New(web.Options{
			Store: d.store, Recipes: book, Processor: coupled.NewClient(cfg.Coupled.URL()),
			MaxBytes: cfg.Limits.Bytes, MaxPixels: cfg.Limits.Pixels, MaxSide: cfg.Limits.Side,
			Names:   web.Names{Uploads: d.spec.UploadsBucket, Results: d.spec.ResultsBucket},
			Origins: pageOrigins(cfg), Auth: access.guard, CORSOrigins: cfg.Web.Access.CORSOrigins,
			Uploads: cfg.Web.Uploads, Version: Program(), Logger: log,
		})
		if err != nil {
			return err
		}
		return runAll(ctx, log,
			service{"coupled web server", func(ctx context.Context) error { return serve(ctx, ln, srv.Handler(), cfg.Drain, log) }},
			service{"event streams", srv.Run},
		)
	}}
}

// coupledApp is the coupled app tier as a service: POST /process, health and metrics.
func coupledApp(cfg config.Config, book *recipe.Book, c aws.Config, ln net.Listener, log *slog.Logger) service {
	return service{name: "coupled app tier", run: func(ctx context.Context) error {
		defer ln.Close()
		log := log.With("tier", "coupled app")
		engine, timeout, err := openImager(cfg, log)
		if err != nil {
			return err
		}
		defer engine.Close()
		d, err := retried(ctx, log, func() (*deployment, error) { return openCoupled(ctx, cfg, c) })
		if err != nil {
			return stopped(ctx, err)
		}
		w, err := worker.New(worker.Options{
			Store: d.store, Originals: d.store, Imaging: engine, Recipes: book, Announcer: worker.Callers{},
			UploadsBucket: d.spec.UploadsBucket, MaxBytes: cfg.Limits.Bytes, Workers: cfg.App.Workers, ImageTimeout: timeout,
			Program: Program(), Logger: log,
		})
		if err != nil {
			return err
		}
		srv, err := calls.New(calls.Options{
			Processor: w, MaxBytes: cfg.Limits.Bytes, Slots: 2*cfg.App.Workers + 2, Waiting: cfg.Coupled.Waiting, Logger: log,
		})
		if err != nil {
			return err
		}
		return serve(ctx, ln, coupledHandler(srv, w), cfg.Drain, log)
	}}
}

func coupledHandler(srv *calls.Server, w *worker.Worker) http.Handler {
	mux := http.NewServeMux()
	mux.Handle(coupled.Path, srv)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ready") })
	mux.HandleFunc("GET /metrics", func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", metricsType)
		call, images := srv.Stats(), w.Stats()
		writeMetrics(rw, []metric{
			{"tintype_calls_total", "counter", "Calls answered.", call.Calls},
			{"tintype_calls_refused_total", "counter", "Calls answered without a result.", call.Refused},
			{"tintype_calls_held", "gauge", "Images held in memory.", call.Held},
			{"tintype_calls_waiting", "gauge", "Calls that wait for a slot, their bodies unread.", call.Waiting},
			{"tintype_images_done_total", "counter", "Images whose result was stored.", images.Done},
			{"tintype_images_failed_total", "counter", "Images whose permanent fault was stored.", images.Failed},
			{"tintype_images_computing", "gauge", "Images being computed.", images.Computing},
		})
	})
	return mux
}
