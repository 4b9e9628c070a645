// Package localaws is the embedded endpoint: S3, SNS, SQS and the event notifications
// between them in one durable process, for machines without AWS and for tests.
//
// It speaks the services' wire protocols on one address, to any SDK or CLI, and keeps
// everything in one directory. Its promise: what was acknowledged survives kill -9 at
// any moment, and an object's event is as durable as the object, because both are
// committed in one transaction.
//
// The services are in packages of their own (s3, sqs, sns); this one opens the store,
// wires them to each other and serves them. It imports nothing of ours outside itself.
package localaws

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/tintype/tintype/internal/localaws/console"
	"github.com/tintype/tintype/internal/localaws/db"
	"github.com/tintype/tintype/internal/localaws/identity"
	"github.com/tintype/tintype/internal/localaws/mail"
	"github.com/tintype/tintype/internal/localaws/policy"
	"github.com/tintype/tintype/internal/localaws/s3"
	"github.com/tintype/tintype/internal/localaws/sigv4"
	"github.com/tintype/tintype/internal/localaws/sns"
	"github.com/tintype/tintype/internal/localaws/sqs"
)

// DefaultAccount is the account id of the endpoint, as users of local endpoints expect.
const DefaultAccount = "000000000000"

// drain is how long requests under way may take when the endpoint stops.
const drain = 10 * time.Second

// Options configure Open. The listeners are made by the caller, who knows what to say
// when an address is taken; the server closes them.
type Options struct {
	Data      string       // directory that holds everything; made if need be
	API       net.Listener // S3, SNS and SQS
	Console   net.Listener // console and mail inbox; nil: none
	Account   string       // twelve digits; default DefaultAccount
	Region    string       // default us-east-1
	AccessKey string       // the one user's; default test
	SecretKey string       // default test; never logged
	// Users are the account's others, as package identity reads them; they may do what
	// their policies say. OnAccess hears of each decision about one. Both may be nil.
	Users    []byte
	OnAccess func(Access)
	BaseURL  string // of links in mails; default http:// and the API listener's address
	SMTPAddr string // host:port that mails are also sent to; empty: inbox only
	SMTPUser string // authenticates there, with SMTPPassword; empty: nobody
	// SMTPPassword is never logged.
	SMTPPassword string
	MailFrom     string       // their sender; empty: the mail package's default
	Logger       *slog.Logger // nil: nothing is logged
}

func (o *Options) defaults() {
	for _, d := range []struct {
		field *string
		value string
	}{
		{&o.Account, DefaultAccount}, {&o.Region, "us-east-1"}, {&o.AccessKey, "test"}, {&o.SecretKey, "test"},
		{&o.BaseURL, "http://" + o.API.Addr().String()},
	} {
		if *d.field == "" {
			*d.field = d.value
		}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

// Access is a decision about what a user may do.
type Access = identity.Access

// CheckUsers says what is wrong with a text as Options.Users.
func CheckUsers(text []byte) error {
	_, err := identity.Parse(text, DefaultAccount, nil)
	return err
}

// Server is the endpoint. Open makes it, Run serves it, Close releases it.
type Server struct {
	opts Options
	log  *slog.Logger
	lock *os.File
	db   *db.DB
	sqs  *sqs.Service
	sns  *sns.Service
	s3   *s3.Service
	mail *mail.Service
	told *metrics

	api, console *http.Server
	once         sync.Once
	closeErr     error
}

// Open takes the data directory, opens the store and recovers what is there. Errors
// say what is wrong with which path.
func Open(opts Options) (*Server, error) {
	opts.defaults()
	dir, lock, err := openData(opts.Data)
	if err != nil {
		return nil, err
	}
	opts.Data = dir
	s := &Server{opts: opts, log: opts.Logger, lock: lock}
	if err := s.open(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Server) open() (err error) {
	o := s.opts
	var users *identity.Users
	var s3Users s3.Users // an interface of its own, so that nil stays nil
	if o.Users != nil {
		if users, err = identity.Parse(o.Users, o.Account, s.hearAccess); err != nil {
			return err
		}
		if users.Is(o.AccessKey) {
			return errors.New("users: the account's own access key is that of one of them as well")
		}
		s3Users = users
	}
	s.told = newMetrics()
	if s.db, err = db.Open(o.Data, db.Options{Committed: s.told.committed, Schemas: []db.Schema{sqs.Schema, sns.Schema, mail.Schema, s3.Schema}}); err != nil {
		return err
	}
	if s.mail, err = mail.New(s.db, mail.Options{From: o.MailFrom, SMTPAddr: o.SMTPAddr, SMTPUser: o.SMTPUser, SMTPPassword: o.SMTPPassword, Logger: s.log}); err != nil {
		return err
	}
	if s.sqs, err = sqs.New(s.db, sqs.Options{Account: o.Account, Region: o.Region, Policy: policy.Allows, Logger: s.log}); err != nil {
		return err
	}
	if s.sns, err = sns.New(s.db, sns.Options{Account: o.Account, Region: o.Region, BaseURL: o.BaseURL, Queues: queues{s.sqs}, Mail: s.mail, Logger: s.log}); err != nil {
		return err
	}
	if s.s3, err = s3.New(s.db, s3.Options{
		DataDir: o.Data, Region: o.Region, Account: o.Account, AccessKey: o.AccessKey, SecretKey: o.SecretKey, Users: s3Users,
		Notifier: notifier{topics: s.sns, queues: s.sqs, account: o.Account}, Logger: s.log,
	}); err != nil {
		return err
	}
	verifier := sigv4.New(func(key string) (string, bool) {
		if key == o.AccessKey {
			return o.SecretKey, true
		}
		return users.Secret(key)
	})
	queueAPI, topicAPI := s.sqs.Wire(), s.sns.Wire()
	queueAPI.Admit, topicAPI.Admit = users.Admit("sqs"), users.Admit("sns")
	s.told.registry.MustRegister(&state{sqs: s.sqs, dir: o.Data})
	s.api = s.server(s.told.observed(&router{verifier: verifier, account: o.Account, sqs: queueAPI, sns: topicAPI, s3: s.s3, public: s.sns}))
	if o.Console != nil {
		h, err := console.New(s.consoleOptions())
		if err != nil {
			return err
		}
		s.console = s.server(h)
		s.console.RegisterOnShutdown(h.Close) // what is kept up to date would else not end
	}
	return nil
}

func (s *Server) server(h http.Handler) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
}

// hearAccess tells of decisions, and logs refusals: who tests a policy wants to know what
// it lacks.
func (s *Server) hearAccess(a Access) {
	if !a.Allowed && !a.Implied {
		s.log.Warn("a user was refused", "user", a.User, "action", a.Action, "resource", a.Resource)
	}
	if s.opts.OnAccess != nil {
		s.opts.OnAccess(a)
	}
}

// URL is where S3, SNS and SQS are served.
func (s *Server) URL() string { return "http://" + s.opts.API.Addr().String() }

// Run serves until ctx ends, then lets requests under way finish and closes the store.
// It returns nil after a clean stop. It may be called once.
func (s *Server) Run(ctx context.Context) error {
	defer s.Close()
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.sqs.Run(background) }) // returns nil
	s.mail.Start()
	s.sns.Start()

	failed := make(chan error, 2)
	serve := func(srv *http.Server, ln net.Listener) {
		wg.Go(func() {
			if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("serve %s: %w", ln.Addr(), err)
			}
		})
	}
	serve(s.api, s.opts.API)
	if s.console != nil {
		serve(s.console, s.opts.Console)
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	// Long polls are answered first: the shutdown waits for them.
	stop()
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	for _, srv := range []*http.Server{s.api, s.console} {
		if srv != nil && srv.Shutdown(bounded) != nil {
			s.log.Warn("requests to the endpoint were cut off", "after", drain)
			_ = srv.Close() // reports only what Shutdown did
		}
	}
	s.sns.Stop()
	s.mail.Stop()
	wg.Wait()
	return errors.Join(err, s.Close())
}

// Close releases everything; only what was never run needs it. It may be called twice.
func (s *Server) Close() error {
	s.once.Do(func() {
		var errs []error
		for _, ln := range []net.Listener{s.opts.API, s.opts.Console} {
			if ln != nil {
				_ = ln.Close() // closed already where it was served
			}
		}
		if s.s3 != nil {
			errs = append(errs, s.s3.Close())
		}
		if s.db != nil {
			errs = append(errs, s.db.Close())
		}
		s.closeErr = errors.Join(append(errs, s.lock.Close())...)
	})
	return s.closeErr
}
