package awsclock_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/tintype/tintype/internal/awsclock"
	"github.com/tintype/tintype/internal/awstest"
)

// TestTheClockOfAnswers: the clock follows the answers' dates, whatever the answer says,
// and only where they are clearly another time than ours.
func TestTheClockOfAnswers(t *testing.T) {
	var off time.Duration
	var extra http.Header
	status := http.StatusOK
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for k, v := range extra {
			w.Header()[k] = v
		}
		if extra.Get("Date") == "" {
			w.Header().Set("Date", time.Now().Add(off).UTC().Format(http.TimeFormat))
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(`{}`))
	}))
	defer srv.Close()
	var clock awsclock.Clock
	cfg := awstest.Config(srv.URL)
	cfg.APIOptions = append(cfg.APIOptions, clock.Learn)
	cfg.RetryMaxAttempts = 1
	client := sqs.NewFromConfig(cfg)
	ask := func() {
		_, err := client.ListQueues(t.Context(), &sqs.ListQueuesInput{})
		if (err != nil) != (status != http.StatusOK) {
			t.Fatal(err)
		}
	}
	about := func(when string, want time.Duration) {
		t.Helper()
		if got := clock.Ahead(); (got-want).Abs() > 5*time.Second || want == 0 && got != 0 {
			t.Errorf("%s: AWS's clock is %v ahead, want %v", when, got, want)
		}
		if got := time.Until(clock.Now()); (got - want).Abs() > 5*time.Second {
			t.Errorf("%s: Now is %v from ours, want %v", when, got, want)
		}
	}
	about("before any answer", 0)
	ask()
	about("the same time", 0)
	off = time.Hour
	ask()
	about("an hour ahead", time.Hour)
	before := clock.Ahead()
	off = time.Hour + 2*time.Second
	ask()
	if clock.Ahead() != before {
		t.Errorf("two seconds moved the clock by %v", clock.Ahead()-before)
	}
	off, status = -10*time.Minute, http.StatusForbidden
	ask()
	about("a refusal, ten minutes behind", -10*time.Minute)
	off, status, extra = 0, http.StatusOK, http.Header{"Age": {"600"}}
	ask()
	about("a cache's answer", -10*time.Minute)
	extra = http.Header{"Date": {"yesterday"}}
	ask()
	about("no date", -10*time.Minute)
	extra = nil
	ask()
	about("set right", 0)
}
