// Package s3 is the endpoint's S3: versitygw's controllers as the protocol layer
// (signatures, presigned URLs, POST policies, chunked uploads, checksums, XML, CORS)
// over a backend of our own, which keeps objects as rows of the endpoint's SQLite
// store and their bytes inline or in blob files.
//
// The contract the rest of the system rests on: an object, the events about it and
// the messages those events become are committed in one transaction. An
// acknowledged upload is on disk whole and its event cannot be missing; an upload
// that was not acknowledged leaves nothing behind.
//
// It imports package db alone of ours; where events go is the consumer-declared
// interface Notifier.
package s3

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/gofiber/fiber/v3"
	"github.com/valyala/fasthttp"

	"github.com/tintype/tintype/internal/localaws/db"
)

// ErrNoTarget is what a Notifier wraps when a destination is gone or no longer lets
// this bucket publish: such an event is dropped and logged, as S3 does. Any other
// error refuses the write that the event is about.
var ErrNoTarget = errors.New("s3: no such notification destination")

// Notifier takes bucket events to topics and queues.
type Notifier interface {
	// Check says whether the destination exists and lets S3 publish to it about
	// the bucket. The error's text is shown to the caller of
	// PutBucketNotificationConfiguration.
	Check(ctx context.Context, targetARN, bucketARN string) error
	// NotifyTx publishes body inside the transaction of the change it tells of.
	NotifyTx(tx *db.Tx, targetARN, bucketARN, subject, body string) error
	// Prepare does beforehand what it can of NotifyTx, outside of any transaction. What
	// it returns does the rest; it may be called once or never.
	Prepare(targetARN, bucketARN, subject, body string) func(*db.Tx) error
}

// Users know who has an access key and what that user may do.
type Users interface {
	Secret(accessKey string) (secret string, ok bool)
	ARN(accessKey string) string
	// May decides on an action.
	May(accessKey, action, resource string, keys map[string]string) bool
	// Implies decides on what is no call of its own.
	Implies(accessKey, action, resource string, keys map[string]string) bool
}

// Options configure New.
type Options struct {
	// DataDir holds the blob files, in its directory "blobs". Created where missing.
	DataDir string
	// Region that signatures must name. Default us-east-1.
	Region string
	// Account owns every bucket: 12 digits. Default 000000000000.
	Account string
	// AccessKey and SecretKey are the one user's credentials. Required.
	AccessKey, SecretKey string
	// Users are others who may do what their policies say; nil: none. They sign with
	// Version 4.
	Users Users
	// Notifier receives events; nil refuses notification configurations.
	Notifier Notifier
	// Domains are the hosts under which virtual-hosted-style requests arrive
	// (bucket.localhost). Default: localhost, localhost.localstack.cloud, which resolves to
	// this machine and which many programs use, and amazonaws.com.
	Domains []string
	// Logger; nil discards.
	Logger *slog.Logger
	// Now is the clock of modification times and events; nil is time.Now.
	Now func() time.Time
}

// Service is the S3 service. It is safe for concurrent use.
type Service struct {
	db    *db.DB
	opts  Options
	blobs blobs
	log   *slog.Logger
	app   *fiber.App
	serve fasthttp.RequestHandler

	sequences sequences
	told      sync.Map // bucket name → *destinations

	owner     string // canonical id of the account
	principal string // what events call it
	settingsCache
	expirer expirer
}

// New opens the service on a store opened with Schema. It removes blob files that no
// row refers to: what uploads left that a crash cut short. No other Service may use
// the same store or directory.
func New(d *db.DB, opts Options) (*Service, error) {
	if opts.AccessKey == "" || opts.SecretKey == "" {
		return nil, errors.New("s3: Options.AccessKey and SecretKey are required")
	}
	if opts.Region == "" {
		opts.Region = "us-east-1"
	}
	if opts.Account == "" {
		opts.Account = "000000000000"
	}
	if opts.Domains == nil {
		opts.Domains = []string{"localhost.localstack.cloud", "localhost", awsDomain}
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	dir, err := filepath.Abs(filepath.Join(opts.DataDir, "blobs"))
	if err != nil {
		return nil, fmt.Errorf("s3: data directory: %w", err)
	}
	s := &Service{db: d, opts: opts, owner: canonicalID(opts.Account), principal: principalOf(opts.Account), blobs: blobs{dir: dir}, log: opts.Logger}
	if err := s.blobs.open(); err != nil {
		return nil, fmt.Errorf("s3: prepare %s: %w", dir, err)
	}
	n, err := s.sweep()
	if err != nil {
		return nil, fmt.Errorf("s3: sweep %s: %w", dir, err)
	}
	if n > 0 {
		s.log.Info("removed the remains of interrupted uploads", "files", n)
	}
	if err := s.sequences.load(d); err != nil {
		return nil, fmt.Errorf("s3: sequence of events: %w", err)
	}
	s.app = s.routes()
	s.serve = s.app.Handler()
	s.startExpiring()
	return s, nil
}

// Close releases what the service holds. Requests must have ended; the store is
// closed by its owner.
func (s *Service) Close() error {
	s.expirer.stop()
	<-s.expirer.done
	return s.app.Shutdown()
}

// bucketARN is the bucket's Amazon Resource Name.
func bucketARN(bucket string) string { return "arn:aws:s3:::" + bucket }
