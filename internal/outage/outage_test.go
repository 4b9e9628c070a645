package outage_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/tintype/tintype/internal/outage"
)

// The SDK's own errors, as real clients make them of real answers.
func TestOf(t *testing.T) {
	for _, tc := range []struct {
		status int
		code   string
		want   outage.Kind
	}{
		{503, "SlowDown", outage.Throttled}, {503, "ServiceUnavailable", outage.Throttled}, {503, "", outage.Throttled}, {429, "", outage.Throttled},
		{400, "ThrottlingException", outage.Throttled}, {403, "RequestThrottled", outage.Throttled}, {400, "Throttling", outage.Throttled}, {400, "OverLimit", outage.Throttled},
		{500, "InternalError", outage.Unreachable}, {502, "", outage.Unreachable}, {504, "", outage.Unreachable}, {400, "RequestTimeout", outage.Unreachable},
		{400, "ExpiredToken", outage.Credentials}, {403, "ExpiredToken", outage.Credentials}, {403, "InvalidClientTokenId", outage.Credentials},
		{403, "InvalidAccessKeyId", outage.Credentials}, {403, "SignatureDoesNotMatch", outage.Credentials}, {400, "UnrecognizedClientException", outage.Credentials},
		{403, "RequestTimeTooSkewed", outage.Clock}, {403, "AccessDenied", outage.Denied}, {400, "AccessDeniedException", outage.Denied}, {403, "", outage.Denied},
		{404, "NoSuchKey", outage.None}, {404, "NoSuchBucket", outage.None}, {400, "InvalidParameterValue", outage.None}, {412, "PreconditionFailed", outage.None},
	} {
		t.Run(fmt.Sprintf("%d %s", tc.status, tc.code), func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("X-Amz-Target") != "" {
					w.Header().Set("Content-Type", "application/x-amz-json-1.0")
					w.WriteHeader(tc.status)
					if tc.code != "" {
						fmt.Fprintf(w, `{"__type":"com.amazonaws.sqs#%s","message":"no"}`, tc.code)
					}
					return
				}
				w.Header().Set("Content-Type", "text/xml")
				w.WriteHeader(tc.status)
				switch {
				case tc.code == "":
				case r.Method == http.MethodPost:
					fmt.Fprintf(w, `<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>no</Message></Error></ErrorResponse>`, tc.code)
				default:
					fmt.Fprintf(w, `<Error><Code>%s</Code><Message>no</Message></Error>`, tc.code)
				}
			}))
			defer srv.Close()
			for service, err := range calls(t.Context(), config(srv.URL)) {
				if got := outage.Of(err); got != tc.want {
					t.Errorf("%s: %v, want %v: %v", service, got, tc.want, err)
				}
			}
		})
	}
}

func TestOfNoAnswer(t *testing.T) {
	expect := func(t *testing.T, cfg aws.Config, timeout time.Duration, want outage.Kind) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), timeout)
		defer cancel()
		for service, err := range calls(ctx, cfg) {
			if got := outage.Of(err); got != want {
				t.Errorf("%s: %v, want %v: %v", service, got, want, err)
			}
		}
	}
	t.Run("refused", func(t *testing.T) {
		srv := httptest.NewServer(nil)
		srv.Close()
		expect(t, config(srv.URL), time.Minute, outage.Unreachable)
	})
	t.Run("reset", func(t *testing.T) {
		srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
		defer srv.Close()
		expect(t, config(srv.URL), time.Minute, outage.Unreachable)
	})
	t.Run("black hole", func(t *testing.T) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		expect(t, config("http://"+ln.Addr().String()), 100*time.Millisecond, outage.Unreachable)
	})
	t.Run("another program's answer", func(t *testing.T) {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(502)
			io.WriteString(w, "<html>bad gateway")
		}))
		defer srv.Close()
		expect(t, config(srv.URL), time.Minute, outage.Unreachable)
	})
	t.Run("no credentials to be had", func(t *testing.T) {
		cfg := config("http://127.0.0.1:1")
		cfg.Credentials = aws.NewCredentialsCache(aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{}, errors.New("the session has expired")
		}))
		expect(t, cfg, time.Minute, outage.Credentials)
	})
	t.Run("broken off by the caller", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for service, err := range calls(ctx, config("http://127.0.0.1:1")) {
			if got := outage.Of(err); got != outage.None {
				t.Errorf("%s: %v", service, got)
			}
		}
	})
	for _, err := range []error{nil, errors.New("something of ours"), io.ErrUnexpectedEOF} {
		if got := outage.Of(err); got != outage.None {
			t.Errorf("%v: %v", err, got)
		}
	}
}

func config(url string) aws.Config {
	return aws.Config{Region: "us-east-1", BaseEndpoint: &url, RetryMaxAttempts: 1, Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")}
}

// calls makes one request to each service and returns what went wrong.
func calls(ctx context.Context, cfg aws.Config) map[string]error {
	errs := map[string]error{}
	_, errs["s3"] = s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true }).GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("b"), Key: aws.String("k")})
	_, errs["sqs"] = sqs.NewFromConfig(cfg).ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: aws.String("http://x/000000000000/q")})
	_, errs["sns"] = sns.NewFromConfig(cfg).Publish(ctx, &sns.PublishInput{TopicArn: aws.String("arn:aws:sns:us-east-1:000000000000:t"), Message: aws.String("m")})
	return errs
}
