package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/tintype/tintype/internal/store"
	"github.com/tintype/tintype/internal/testimages"
)

// pipeline is what these tests read of GET /api/pipeline.
type pipeline struct {
	Queue struct {
		Waiting, InFlight int
		Workers           *int
		BacklogPerWorker  *float64
		OldestAgeSeconds  *float64
	}
	Apps []struct {
		ID              string
		Pid, Workers    int
		Stale, Draining bool
		Done            int
		InWork          []struct{ ID string }
	}
}

func (s *system) pipeline() (p pipeline, err error) {
	return p, getJSON(s.web()+"/api/pipeline", &p)
}

// awaitPipeline asks until the pipeline is as it should be.
func (s *system) awaitPipeline(what string, ok func(pipeline) bool) (p pipeline) {
	s.t.Helper()
	eventually(s.t, what, func() (err error) {
		if p, err = s.pipeline(); err == nil && !ok(p) {
			err = fmt.Errorf("%+v", p)
		}
		return err
	})
	return p
}

// another is the same deployment for one more app tier of its own address.
func (s *system) another() *system {
	b := *s
	b.appAddr = freeAddr(s.t)
	return &b
}

func metrics(t *testing.T, base string) string {
	t.Helper()
	resp, err := http.Get(base + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %v", resp.Status, err)
	}
	return string(b)
}

// TestPresenceOff runs without: nothing is written, nobody is asked, work goes on.
func TestPresenceOff(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.startUp("--presence", "0")
	if err := s.put("a.jpg", testimages.JPEG(64, 48), nil); err != nil {
		t.Fatal(err)
	}
	s.finished(store.IDForKey("a.jpg"))
	p, err := s.pipeline()
	if err != nil || p.Queue.Workers != nil || p.Apps != nil {
		t.Errorf("%+v, %v", p, err)
	}
	out, err := s.s3.ListObjectsV2(context.Background(), &s3.ListObjectsV2Input{Bucket: aws.String("tintype-results"), Prefix: aws.String(".tintype/")})
	if err != nil || len(out.Contents) != 0 {
		t.Errorf("%d objects, %v", len(out.Contents), err)
	}
}

// TestFairShare lets four app processes of one worker each work off one backlog: each gets
// its share.
func TestFairShare(t *testing.T) {
	t.Parallel()
	const images, processes = 200, 4
	s := newSystem(t)
	s.startEndpoint()
	s.provision()
	s.startWeb("--presence", "1s")
	var apps []*process
	for range processes {
		apps = append(apps, s.another().startApp("--workers", "1", "--presence", "1s"))
	}
	s.awaitPipeline("all are there", func(p pipeline) bool { return len(p.Apps) == processes })
	// Held until the backlog is whole, so that none has a lead.
	for _, p := range apps {
		if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
	}
	body := testimages.JPEG(1200, 900)
	for i := range images {
		if err := s.put(fmt.Sprintf("%d.jpg", i), body, nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range apps {
		if err := p.cmd.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
	}
	p := s.awaitPipeline("all images are done", func(p pipeline) bool {
		n := 0
		for _, a := range p.Apps {
			n += a.Done
		}
		return n == images
	})
	var shares []int
	for _, a := range p.Apps {
		shares = append(shares, a.Done)
		if fair := images / processes; a.Done < fair*7/10 || a.Done > fair*13/10 {
			t.Errorf("one process has done %d of %d images, its share is %d", a.Done, images, fair)
		}
	}
	t.Logf("shares: %v", shares)
}
