package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/tintype/tintype/internal/recipe"
)

// system is one deployment: addresses, environment and clients.
type system struct {
	t *testing.T

	endpointAddr, consoleAddr, webAddr, appAddr string
	url                                         string // of the endpoint
	data                                        string
	bin                                         string   // of tiers that are started from now on; empty: binary
	env                                         []string // of the tiers and commands

	s3  *s3.Client
	sqs *sqs.Client
	sns *sns.Client
}

func newSystem(t *testing.T) *system {
	s := &system{t: t, endpointAddr: freeAddr(t), consoleAddr: freeAddr(t), webAddr: freeAddr(t), appAddr: freeAddr(t), data: t.TempDir()}
	s.at("http://" + s.endpointAddr)
	return s
}

// at points environment and clients at an endpoint.
func (s *system) at(url string) {
	s.url = url
	s.through(url)
	c := aws.Config{Region: "us-east-1", BaseEndpoint: aws.String(url), Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")}
	s.s3 = s3.NewFromConfig(c, func(o *s3.Options) { o.UsePathStyle = true })
	s.sqs, s.sns = sqs.NewFromConfig(c), sns.NewFromConfig(c)
}

// through lets tiers and commands that are started from now on reach the endpoint by
// another URL than the test itself.
func (s *system) through(url string) {
	s.env = cleanEnv("AWS_ENDPOINT_URL="+url, "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_REGION=us-east-1", "AWS_DEFAULT_REGION=us-east-1")
}

func (s *system) web() string     { return "http://" + s.webAddr }
func (s *system) app() string     { return "http://" + s.appAddr }
func (s *system) console() string { return "http://" + s.consoleAddr }

func (s *system) startUp(args ...string) *process {
	s.t.Helper()
	p := start(s.t, cleanEnv(), append([]string{"up", "--data", s.data, "--endpoint-addr", s.endpointAddr, "--console-addr", s.consoleAddr,
		"--web-addr", s.webAddr, "--app-addr", s.appAddr}, args...)...)
	p.ready(s.web() + "/readyz")
	p.ready(s.app() + "/readyz")
	return p
}

func (s *system) startEndpoint(args ...string) *process {
	s.t.Helper()
	p := start(s.t, cleanEnv(), append([]string{"endpoint", "--data", s.data, "--endpoint-addr", s.endpointAddr, "--console-addr", s.consoleAddr}, args...)...)
	p.ready("http://" + s.endpointAddr + "/_tintype/health")
	return p
}

func (s *system) provision(args ...string) {
	s.t.Helper()
	if out, errs, code := tintype(s.t, s.env, append([]string{"provision", "--web-addr", s.webAddr}, args...)...); code != 0 {
		s.t.Fatalf("provision: exit %d\n%s%s", code, out, errs)
	}
}

func (s *system) startApp(args ...string) *process {
	s.t.Helper()
	p := startBin(s.t, s.bin, s.env, append([]string{"app", "--app-addr", s.appAddr}, args...)...)
	p.ready(s.app() + "/readyz")
	return p
}

func (s *system) startWeb(args ...string) *process {
	s.t.Helper()
	p := startBin(s.t, s.bin, s.env, append([]string{"web", "--web-addr", s.webAddr}, args...)...)
	p.ready(s.web() + "/readyz")
	return p
}

// put uploads an object as any S3 client would.
func (s *system) put(key string, body []byte, meta map[string]string) error {
	_, err := s.s3.PutObject(context.Background(), &s3.PutObjectInput{Bucket: aws.String("tintype-uploads"), Key: &key, Body: bytes.NewReader(body), Metadata: meta})
	return err
}

func (s *system) get(bucket, key string) ([]byte, error) {
	out, err := s.s3.GetObject(context.Background(), &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return nil, err
	}
	defer out.Body.Close()
	return io.ReadAll(out.Body)
}

// manifest reads an image's manifest from the results bucket.
func (s *system) manifest(id string) (*recipe.Manifest, error) {
	b, err := s.get("tintype-results", id+"/manifest.json")
	if err != nil {
		return nil, err
	}
	m := &recipe.Manifest{}
	return m, json.Unmarshal(b, m)
}

// finished waits until the image is processed and returns its manifest.
func (s *system) finished(id string) (m *recipe.Manifest) {
	s.t.Helper()
	eventually(s.t, "image "+id+" processed", func() (err error) {
		m, err = s.manifest(id)
		return err
	})
	return m
}

// depth is the number of messages of a queue, waiting and in flight.
func (s *system) depth(queue string) (waiting, inFlight int, err error) {
	ctx := context.Background()
	u, err := s.sqs.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &queue})
	if err != nil {
		return 0, 0, err
	}
	a, err := s.sqs.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: u.QueueUrl, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameAll}})
	if err != nil {
		return 0, 0, err
	}
	_, err = fmt.Sscan(a.Attributes["ApproximateNumberOfMessages"]+" "+a.Attributes["ApproximateNumberOfMessagesNotVisible"], &waiting, &inFlight)
	return waiting, inFlight, err
}

// drained waits until the queue holds nothing, neither waiting nor in flight.
func (s *system) drained(queue string) {
	s.t.Helper()
	eventually(s.t, "queue "+queue+" empty", func() error {
		w, f, err := s.depth(queue)
		if err == nil && w+f > 0 {
			err = fmt.Errorf("%d waiting, %d in flight", w, f)
		}
		return err
	})
}

// getJSON reads a JSON document of the web API or the console.
func getJSON(url string, v any) error {
	resp, err := http.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %d: %s", url, resp.StatusCode, b)
	}
	return json.Unmarshal(b, v)
}

func isNotFound(err error) bool {
	var missing *s3types.NoSuchKey
	var none *s3types.NotFound // of HEAD, whose answer has no body to say what
	return errors.As(err, &missing) || errors.As(err, &none)
}
