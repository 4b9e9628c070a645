// Package store keeps originals, results and manifests in S3.
//
// It owns the key layout of the two buckets, the conditional writes that make the
// manifest a commit point, listing, and the presigned forms and URLs that let
// browsers reach S3 themselves. Of ours it imports only internal/attempt,
// internal/awsclock, internal/fault, internal/outage and internal/recipe.
//
// Every error it returns is a *fault.Error; those that a caller decides upon also match
// a sentinel (ErrGone, ErrChanged, ErrNotFound, ErrConflict, ErrUnreadable) by errors.Is.
package store

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/tintype/tintype/internal/awsclock"
)

// DefaultPresignTTL is how long presigned forms and URLs work where Options does not say.
const DefaultPresignTTL = 15 * time.Minute

// maxPresignTTL is the longest that Signature Version 4 allows:
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
const maxPresignTTL = 7 * 24 * time.Hour

// Options say where things are kept.
type Options struct {
	// UploadsBucket holds the originals; each object created there is processed.
	UploadsBucket string
	// ResultsBucket holds outputs and manifests. It must not be UploadsBucket: what is
	// written there would be processed again, without end.
	ResultsBucket string
	// PublicURL is the base URL under which browsers reach S3, "https://files.example.org";
	// presigned URLs carry it. Empty: the client's own endpoint.
	PublicURL string
	// PresignTTL is how long presigned forms and URLs work; at most 7 days. Zero: 15 minutes.
	PresignTTL time.Duration
}

// Which names one of the two buckets.
type Which int

// The two buckets.
const (
	Uploads Which = iota // originals
	Results              // outputs and manifests
)

// Store reads and writes both buckets. It is safe for concurrent use.
type Store struct {
	client  *s3.Client
	presign *s3.PresignClient // signs for the host that browsers see
	clock   *awsclock.Clock
	opts    Options
}

// NewClient makes the S3 client that suits cfg: bucket names go into the path where an
// endpoint URL is set (by AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_S3 or the profile), because
// bucket-in-host addressing cannot work on 127.0.0.1; AWS itself is addressed as usual.
func NewClient(cfg aws.Config) *s3.Client {
	return s3.NewFromConfig(cfg, func(o *s3.Options) {
		o.UsePathStyle = o.BaseEndpoint != nil
	})
}

// New returns a Store. It refuses a set-up in which results would land in the uploads
// bucket, where each result would be an upload again.
func New(client *s3.Client, opts Options) (*Store, error) {
	switch {
	case client == nil:
		return nil, errors.New("store: no S3 client")
	case opts.UploadsBucket == "" || opts.ResultsBucket == "":
		return nil, errors.New("store: both buckets must be named (uploads bucket and results bucket)")
	case opts.UploadsBucket == opts.ResultsBucket:
		return nil, fmt.Errorf("store: uploads and results are both bucket %q: each result would be processed as an upload; name two buckets", opts.UploadsBucket)
	case opts.PresignTTL < 0 || opts.PresignTTL > maxPresignTTL:
		return nil, fmt.Errorf("store: presigned URLs cannot be valid for %v: S3 allows up to %v", opts.PresignTTL, maxPresignTTL)
	}
	if opts.PresignTTL == 0 {
		opts.PresignTTL = DefaultPresignTTL
	}
	if opts.PublicURL != "" {
		u, err := url.Parse(opts.PublicURL)
		if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || u.RawQuery != "" || u.Fragment != "" {
			return nil, fmt.Errorf("store: the public S3 URL %q is not of the form https://host[:port]", opts.PublicURL)
		}
	}
	// A signing client of its own: a signature covers the host, so a URL for browsers
	// must be signed for the host that they will name.
	signer := s3.New(client.Options(), func(o *s3.Options) {
		if opts.PublicURL != "" {
			o.BaseEndpoint = aws.String(opts.PublicURL)
			o.UsePathStyle = true
		}
		// Browsers do not check S3's checksums; asking for them would only lengthen the URL.
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
	})
	clock := &awsclock.Clock{}
	return &Store{
		client: s3.New(client.Options(), func(o *s3.Options) { o.APIOptions = append(slices.Clone(o.APIOptions), clock.Learn) }),
		presign: s3.NewPresignClient(signer, s3.WithPresignExpires(opts.PresignTTL), func(o *s3.PresignOptions) {
			o.Presigner = punctual{v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }), clock}
		}),
		clock: clock,
		opts:  opts,
	}, nil
}

// Now is the time by S3's clock, as far as its answers have told it: the time to note
// wherever it will be compared with what S3, or another host, has noted.
func (s *Store) Now() time.Time { return s.clock.Now().UTC() }

// Bucket is the name of one of the two buckets.
func (s *Store) Bucket(w Which) string {
	if w == Results {
		return s.opts.ResultsBucket
	}
	return s.opts.UploadsBucket
}
