package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/tintype/tintype/internal/config"
	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/localaws"
	"github.com/tintype/tintype/internal/provision"
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
		AccessKey: cfg.Endpoint.AccessKey, SecretKey: cfg.Endpoint.SecretKey,
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
	access, err := openAccess(cfg, log)
	if err != nil {
		return err
	}
	// All addresses are taken before anything starts, so that a taken one costs nothing.
	webLn, err := listen(cfg.Web.Addr, "web tier", "web-addr")
	if err != nil {
		return err
	}
	defer webLn.Close()
	appLn, err := listen(cfg.App.Addr, "app tier", "app-addr")
	if err != nil {
		return err
	}
	defer appLn.Close()
	endpoint, err := openEndpoint(cfg, log)
	if err != nil {
		return err
	}
	c := aws.Config{
		Region: cfg.Endpoint.Region, BaseEndpoint: aws.String(endpoint.URL()),
		Credentials: credentials.NewStaticCredentialsProvider(cfg.Endpoint.AccessKey, cfg.Endpoint.SecretKey, ""),
	}
	if cfg.App.PageURL == "" {
		cfg.App.PageURL = access.scheme + "://" + cfg.Web.Addr
	}
	tiers := service{name: "tiers", run: func(ctx context.Context) error {
		d, err := openDeployment(cfg, c)
		if err != nil {
			return err
		}
		if _, _, err := provision.Ensure(ctx, d.clients, d.spec); err != nil {
			return stopped(ctx, err)
		}
		welcome(cfg, out, access.scheme+"://"+cfg.Web.Addr, endpoint.URL())
		return runAll(ctx, log, appTier(cfg, book, c, appLn, log), access.webTier(cfg, book, c, webLn, log))
	}}
	err = runAll(ctx, log, service{"endpoint", endpoint.Run}, tiers)
	if err == nil {
		fmt.Fprintln(out.Out, "Stopped. Everything is kept in "+cfg.Endpoint.Data+".")
	}
	return err
}

func welcome(cfg config.Config, out IO, page, url string) {
	fmt.Fprintf(out.Out, `Tintype is running.

  page               %s
  console and mail   http://%s
  S3, SNS and SQS    %s  (region %s, access key %s)
  data               %s

Try:   %s upload photo.jpg --tint '#ff8800' --wait
Stop:  Ctrl-C

`, page, cfg.Endpoint.ConsoleAddr, url, cfg.Endpoint.Region, cfg.Endpoint.AccessKey, cfg.Endpoint.Data, os.Args[0])
}
