package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/tintype/tintype/internal/config"
	"github.com/tintype/tintype/internal/coupled"
	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/localaws"
	"github.com/tintype/tintype/internal/provision"
	"github.com/tintype/tintype/internal/telemetry"
)

// garbage is GOGC where the endpoint runs: it keeps little alive and throws away much,
// so that the collector's usual 100 would cost a tenth of the processor to save 20 MB.
const garbage = 400

// openEndpoint takes the endpoint's addresses and its data directory.
func openEndpoint(cfg config.Config, log *slog.Logger) (*localaws.Server, error) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbage)
	}
	if err := mayBeReached(cfg, cfg.Endpoint.ConsoleAddr, "the console", "it shows and changes everything in the endpoint: bind --console-addr to 127.0.0.1, or say --open to let anybody in"); err != nil {
		return nil, err
	}
	if cfg.Endpoint.SecretKey == config.Default().Endpoint.SecretKey {
		if err := mayBeReached(cfg, cfg.Endpoint.Addr, "the endpoint", "everybody knows its secret: set another with --secret-key, bind --endpoint-addr to 127.0.0.1, or say --open to let anybody in"); err != nil {
			return nil, err
		}
	}
	users, err := usersFile(cfg.Endpoint.Users)
	if err != nil {
		return nil, err
	}
	api, err := listen(cfg.Endpoint.Addr, "endpoint", "endpoint-addr")
	if err != nil {
		return nil, err
	}
	console, err := listen(cfg.Endpoint.ConsoleAddr, "console", "console-addr")
	if err != nil {
		api.Close()
		return nil, err
	}
	if !isLoopback("http://"+cfg.Endpoint.Addr) && cfg.Endpoint.SecretKey == config.Default().Endpoint.SecretKey {
		log.Warn("the endpoint is open to other machines with a secret that everybody knows: set --secret-key", "address", cfg.Endpoint.Addr)
	}
	srv, err := localaws.Open(localaws.Options{
		Data: cfg.Endpoint.Data, API: api, Console: console, Region: cfg.Endpoint.Region, BaseURL: cfg.Endpoint.BaseURL,
		AccessKey: cfg.Endpoint.AccessKey, SecretKey: cfg.Endpoint.SecretKey, Users: users,
		SMTPAddr: cfg.Endpoint.SMTP, SMTPUser: cfg.Endpoint.SMTPUser, SMTPPassword: cfg.Endpoint.SMTPPassword, MailFrom: cfg.Endpoint.MailFrom, Logger: log.With("part", "endpoint"),
	})
	if err != nil {
		hint := "choose a directory that can be written with --data"
		if errors.Is(err, localaws.ErrDataInUse) {
			hint = "stop the tintype that has it, or choose another directory with --data"
		}
		return nil, &fault.Error{Kind: fault.Permanent, Code: fault.CodeUnavailable, Message: err.Error(), Hint: hint}
	}
	return srv, nil
}

// usersFile reads and checks the file of users, so that what is wrong with it is said before
// anything is opened.
func usersFile(path string) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(path)
	if err == nil {
		err = localaws.CheckUsers(text)
	}
	if err != nil {
		return nil, &BadSetting{fmt.Errorf("--iam-users: %w", err)}
	}
	return text, nil
}

// Endpoint runs the embedded endpoint alone until ctx ends.
func Endpoint(ctx context.Context, cfg config.Config, out IO) error {
	log := logger(cfg, out.Err)
	srv, err := openEndpoint(cfg, log)
	if err != nil {
		return err
	}
	fmt.Fprintf(out.Out, "S3, SNS and SQS are at %s (region %s), the console at http://%s. Ctrl-C stops them.\n", srv.URL(), cfg.Endpoint.Region, cfg.Endpoint.ConsoleAddr)
	return runAll(ctx, log, service{"endpoint", srv.Run})
}

// Up runs everything on this machine until ctx ends: the endpoint, then the resources
// in it, then the app tier and the web tier, which reach it by URL as they would reach AWS.
func Up(ctx context.Context, cfg config.Config, out IO) error {
	book, err := recipes(cfg)
	if err != nil {
		return err
	}
	log := logger(cfg, out.Err)
	if cfg.Mode == modeCoupled {
		cfg.Web.Addr = cfg.Coupled.WebAddr // whose page it is
	}
	access, err := openAccess(cfg, log)
	if err != nil {
		return err
	}
	if cfg.Mode != modeDecoupled {
		if err := coupledMayBeReached(cfg); err != nil {
			return err
		}
	}
	// All addresses are taken before anything starts, so that a taken one costs nothing.
	ln, err := takePorts(cfg)
	defer ln.close()
	if err != nil {
		return err
	}
	endpoint, err := openEndpoint(cfg, log)
	if err != nil {
		return err
	}
	c := aws.Config{
		Region: cfg.Endpoint.Region, BaseEndpoint: aws.String(endpoint.URL()),
		Credentials: credentials.NewStaticCredentialsProvider(cfg.Endpoint.AccessKey, cfg.Endpoint.SecretKey, ""),
	}
	traces, err := openTraces(ctx, cfg, log)
	if err != nil {
		return errors.Join(err, endpoint.Close())
	}
	defer traces.Close()
	tells := func(tier string) *telemetry.Tier { return telemetry.NewTier(tier, traces, log) }
	if cfg.App.PageURL == "" {
		cfg.App.PageURL = access.scheme + "://" + cfg.Web.Addr
	}
	tiers := service{name: "tiers", run: func(ctx context.Context) error {
		var pairs []service
		if cfg.Mode != modeCoupled {
			d, err := openDeployment(cfg, c)
			if err != nil {
				return err
			}
			if _, _, err := provision.Ensure(ctx, d.clients, d.spec); err != nil {
				return stopped(ctx, err)
			}
			pairs = append(pairs, appTier(cfg, book, c, ln.app, tells("app")), access.webTier(cfg, book, c, ln.web, tells("web")))
		}
		if cfg.Mode != modeDecoupled {
			pairs = append(pairs, coupledApp(cfg, book, c, ln.coupledApp, tells("coupled app")), access.coupledWeb(cfg, book, c, ln.coupledWeb, tells("coupled web")))
		}
		welcome(cfg, out, access.scheme, endpoint.URL())
		return runAll(ctx, log, pairs...)
	}}
	err = runAll(ctx, log, service{"endpoint", endpoint.Run}, tiers)
	if err == nil {
		fmt.Fprintln(out.Out, "Stopped. Everything is kept in "+cfg.Endpoint.Data+".")
	}
	return err
}

// ports are the addresses of the tiers that Up runs; those of the others are nil.
type ports struct{ app, web, coupledApp, coupledWeb net.Listener }

// takePorts takes the addresses of the mode's tiers. What it returns must be closed, also
// when there is an error.
func takePorts(cfg config.Config) (p ports, err error) {
	take := func(ln *net.Listener, addr, what, flag string) {
		if err == nil {
			*ln, err = listen(addr, what, flag)
		}
	}
	if cfg.Mode != modeCoupled {
		take(&p.web, cfg.Web.Addr, "web tier", "web-addr")
		take(&p.app, cfg.App.Addr, "app tier", "app-addr")
	}
	if cfg.Mode != modeDecoupled {
		take(&p.coupledWeb, cfg.Coupled.WebAddr, "coupled web tier", "coupled-web-addr")
		take(&p.coupledApp, cfg.Coupled.AppAddr, "coupled app tier", "coupled-app-addr")
	}
	return p, err
}

func (p ports) close() {
	for _, ln := range []net.Listener{p.app, p.web, p.coupledApp, p.coupledWeb} {
		if ln != nil {
			ln.Close()
		}
	}
}

func welcome(cfg config.Config, out IO, scheme, url string) {
	var pages strings.Builder
	if cfg.Mode != modeCoupled {
		fmt.Fprintf(&pages, "  page               %s://%s\n", scheme, cfg.Web.Addr)
	}
	if cfg.Mode != modeDecoupled {
		fmt.Fprintf(&pages, "  page, coupled      %s://%s  (calls http://%s%s)\n", scheme, cfg.Coupled.WebAddr, cfg.Coupled.AppAddr, coupled.Path)
	}
	try := os.Args[0] + ` upload photo.jpg --tint '#ff8800' --wait`
	if cfg.Mode == modeCoupled {
		try = "curl -F file=@photo.jpg -F tint='#ff8800' " + scheme + "://" + cfg.Coupled.WebAddr + "/api/images"
	}
	fmt.Fprintf(out.Out, `Tintype is running.

%s  console and mail   http://%s
  S3, SNS and SQS    %s  (region %s, access key %s)
  data               %s

Try:   %s
Stop:  Ctrl-C

`, pages.String(), cfg.Endpoint.ConsoleAddr, url, cfg.Endpoint.Region, cfg.Endpoint.AccessKey, cfg.Endpoint.Data, try)
}
