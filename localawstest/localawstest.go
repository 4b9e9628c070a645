// Package localawstest starts Tintype's embedded S3 + SNS + SQS endpoint for a test: on
// a free port of the loopback interface, in a directory of the test's own, with the
// same code that `tintype endpoint` runs. Nothing else has to be installed.
//
//	func TestUpload(t *testing.T) {
//		aws := localawstest.New(t)
//		client := s3.NewFromConfig(aws.Config(), func(o *s3.Options) { o.UsePathStyle = true })
//		...
//	}
//
// Starting takes some milliseconds (BenchmarkNew), so each test can have its own. The
// endpoint stops with the test.
package localawstest

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/tintype/tintype/internal/localaws"
)

// What requests are signed with, and for.
const (
	Region    = "us-east-1"
	AccessKey = "test"
	SecretKey = "test"
)

// Server is a running endpoint; it stops with the test.
type Server struct {
	URL        string // of S3, SNS and SQS: "http://127.0.0.1:40123"
	ConsoleURL string // of the console, whose /inbox.json lists the mails that were sent
	Data       string // its directory

	t    testing.TB
	stop context.CancelFunc
	done chan error
	once sync.Once
}

// New starts an endpoint in a temporary directory, which goes with the test.
func New(t testing.TB) *Server {
	t.Helper()
	return Open(t, t.TempDir())
}

// Open starts an endpoint on a directory that an earlier one may have left: what that
// one acknowledged is there.
func Open(t testing.TB, data string) *Server {
	t.Helper()
	api, console := listen(t), listen(t)
	srv, err := localaws.Open(localaws.Options{
		Data: data, API: api, Console: console, Region: Region, AccessKey: AccessKey, SecretKey: SecretKey,
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatalf("localawstest: %v", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &Server{URL: srv.URL(), ConsoleURL: "http://" + console.Addr().String(), Data: data, t: t, stop: stop, done: make(chan error, 1)}
	go func() { s.done <- srv.Run(ctx) }()
	t.Cleanup(s.Stop)
	return s
}

// Config is what the AWS SDK for Go v2 needs to talk to the endpoint.
func (s *Server) Config() aws.Config {
	return aws.Config{
		Region: Region, BaseEndpoint: aws.String(s.URL),
		Credentials: credentials.NewStaticCredentialsProvider(AccessKey, SecretKey, ""),
	}
}

// Env is the same for a process that the test starts, as additions to its environment:
// the SDKs of all languages and the aws command read them.
func (s *Server) Env() []string {
	return []string{
		"AWS_ENDPOINT_URL=" + s.URL, "AWS_REGION=" + Region, "AWS_DEFAULT_REGION=" + Region,
		"AWS_ACCESS_KEY_ID=" + AccessKey, "AWS_SECRET_ACCESS_KEY=" + SecretKey,
	}
}

// Stop stops the endpoint cleanly, before the test ends; a second call does nothing.
func (s *Server) Stop() {
	s.once.Do(func() {
		s.stop()
		if err := <-s.done; err != nil {
			s.t.Errorf("localawstest: %v", err)
		}
	})
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("localawstest: %v", err)
	}
	return ln
}
