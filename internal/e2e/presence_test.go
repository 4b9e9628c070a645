package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/tintype/tintype/internal/awstest"
	"github.com/tintype/tintype/internal/recipe"
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

// TestPresence follows app processes through their lives by what the web tier knows of them:
// at work, killed, stopped; and the images that they had.
func TestPresence(t *testing.T) {
	t.Parallel()
	awstest.Each(t, func(t *testing.T, endpoint string) {
		s := newSystem(t)
		s.at(endpoint)
		s.provision()
		one := s.startApp("--workers", "1", "--presence", "1s")
		s.startWeb("--presence", "1s")
		p := s.awaitPipeline("one app process", func(p pipeline) bool { return len(p.Apps) == 1 && p.Queue.Workers != nil && *p.Queue.Workers == 1 })
		if a := p.Apps[0]; a.Pid != one.cmd.Process.Pid || a.Stale || a.Draining {
			t.Errorf("%+v, want pid %d", a, one.cmd.Process.Pid)
		}

		// More than it computes at once, and each takes a while: they are seen in work. It is stopped
		// until all are there, or a busy machine would have it done with one before the next.
		events := listen(t, s.web())
		signal := func(sig syscall.Signal) {
			t.Helper()
			if err := one.cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
		}
		signal(syscall.SIGSTOP)
		body := testimages.JPEG(3000, 2000)
		var ids []string
		for i := range 30 {
			key := fmt.Sprintf("large/%d.jpg", i)
			if err := s.put(key, body, map[string]string{"tintype-recipe": "web"}); err != nil {
				t.Fatal(err)
			}
			ids = append(ids, store.IDForKey(key))
		}
		signal(syscall.SIGCONT)
		eventually(t, "listeners hear of one in work", func() error { return events.anyHeard(ids, "processing") })
		eventually(t, "the process, the image's own document and the list agree on one", func() error {
			var list struct {
				Images []struct {
					ID, Status string
					Processing *struct {
						Attempt int
						App     string
					}
				}
			}
			if err := getJSON(s.web()+"/api/images?status=processing", &list); err != nil {
				return err
			}
			for _, img := range list.Images {
				if !slices.Contains(ids, img.ID) || img.Processing.Attempt < 1 || img.Processing.App != p.Apps[0].ID {
					t.Errorf("%+v", img)
				}
				if err := getJSON(s.web()+"/api/images/"+img.ID, &img); err != nil {
					return err
				}
				if img.Status == "processing" {
					return nil
				}
			}
			return fmt.Errorf("%d in work", len(list.Images))
		})
		eventually(t, "commands know", func() error {
			if out, errs, _ := tintype(t, s.env, "list"); !strings.Contains(out, " processing ") {
				return errors.New(out + errs)
			}
			return nil
		})

		// Killed in the middle: nobody of that name works any more, its images wait again.
		one.kill()
		killed := time.Now()
		s.awaitPipeline("the killed process is stale", func(p pipeline) bool { return len(p.Apps) == 1 && p.Apps[0].Stale && *p.Queue.Workers == 0 })
		t.Logf("stale %v after the kill, with an interval of 1 s", time.Since(killed).Round(100*time.Millisecond))
		var left struct{ Images []document }
		if err := getJSON(s.web()+"/api/images?status=queued", &left); err != nil || len(left.Images) == 0 {
			t.Errorf("%d images queued, %v", len(left.Images), err)
		}
		if got := metrics(t, s.web()); !strings.Contains(got, "\ntintype_workers 0\n") && !strings.Contains(got, "\ntintype_workers 1\n") || !strings.Contains(got, "\ntintype_queue_messages_visible ") || !strings.Contains(got, "\ntintype_backlog_per_worker ") {
			t.Errorf("metrics of the web tier without app tiers:\n%s", got)
		}

		// Another takes over; it ends well, and then nobody is there.
		two := s.another()
		next := two.startApp("--workers", "2", "--presence", "1s")
		s.awaitPipeline("the next process is seen", func(p pipeline) bool { return *p.Queue.Workers == 2 })
		for _, id := range ids {
			if m := s.finished(id); m.Status != recipe.Done {
				t.Errorf("%s: %s %+v", id, m.Status, m.Error)
			}
		}
		s.drained("ImageApp")
		if got := metrics(t, two.app()); !strings.Contains(got, "\ntintype_queue_figures 1\n") || !strings.Contains(got, "\ntintype_app_processes{state=\"live\"} ") || !strings.Contains(got, "\ntintype_queue_oldest_message_age_seconds ") {
			t.Errorf("metrics of the app tier:\n%s", got)
		}
		if code := next.stop(syscall.SIGTERM); code != 0 {
			t.Errorf("exit %d", code)
		}
		s.awaitPipeline("nobody is there but the dead", func(p pipeline) bool {
			return *p.Queue.Workers == 0 && len(p.Apps) == 1 && p.Apps[0].Stale
		})
		out, err := s.s3.ListObjectsV2(context.Background(), &s3.ListObjectsV2Input{Bucket: aws.String("tintype-results"), Prefix: aws.String(".tintype/app/")})
		if err != nil || len(out.Contents) != 1 {
			t.Errorf("%d presences are left, %v", len(out.Contents), err)
		}
	})
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

// anyHeard is nil once the stream has said a status of any of the images.
func (l *listener) anyHeard(ids []string, status string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range ids {
		if slices.Contains(l.ever[status], id) {
			return nil
		}
	}
	return fmt.Errorf("the stream says %v, want one that is %q", l.seen, status)
}
