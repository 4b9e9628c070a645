package e2e

import (
	"context"
	"errors"
	"fmt"
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

		// Its imaging process stands still, so that images are seen in work for as long as it takes.
		events := listen(t, s.web())
		for _, pid := range imagingProcesses(t, one.cmd.Process.Pid) {
			if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
		}
		body := testimages.JPEG(3000, 2000)
		var ids []string
		for i := range 30 {
			key := fmt.Sprintf("large/%d.jpg", i)
			if err := s.put(key, body, map[string]string{"tintype-recipe": "web"}); err != nil {
				t.Fatal(err)
			}
			ids = append(ids, store.IDForKey(key))
		}
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
