package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/tintype/tintype/internal/audit"
	"github.com/tintype/tintype/internal/awstest"
	"github.com/tintype/tintype/internal/store"
	"github.com/tintype/tintype/internal/testimages"
)

// deaf takes the uploads bucket's notification away: what is put there afterwards is an image
// whose event was lost.
func (s *system) deaf() {
	s.t.Helper()
	if _, err := s.s3.PutBucketNotificationConfiguration(s.t.Context(), &s3.PutBucketNotificationConfigurationInput{
		Bucket: aws.String("tintype-uploads"), NotificationConfiguration: &s3types.NotificationConfiguration{},
	}); err != nil {
		s.t.Fatal(err)
	}
	// S3's test event would be a message that might be anybody's.
	url, err := s.sqs.GetQueueUrl(s.t.Context(), &sqs.GetQueueUrlInput{QueueName: aws.String("ImageApp")})
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.sqs.PurgeQueue(s.t.Context(), &sqs.PurgeQueueInput{QueueUrl: url.QueueUrl}); err != nil {
		s.t.Fatal(err)
	}
}

// fill puts n small pictures into the uploads bucket.
func (s *system) fill(n int) {
	s.t.Helper()
	body := testimages.JPEG(64, 80)
	var wg sync.WaitGroup
	next := make(chan int)
	for range 8 {
		wg.Go(func() {
			for i := range next {
				if err := s.put(fmt.Sprintf("photos/%05d.jpg", i), body, nil); err != nil {
					s.t.Error(err)
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}

// audited runs an audit and returns its report, the findings by kind, and how it ended.
func (s *system) audited(args ...string) (audit.Report, []audit.Finding, int) {
	s.t.Helper()
	out, errs, code := tintype(s.t, s.env, append([]string{"audit", "--json", "--grace", "0s", "--settle", "100ms"}, args...)...)
	var found []audit.Finding
	var doc struct{ Summary *audit.Report }
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, `{"summary"`) {
			if err := json.Unmarshal([]byte(line), &doc); err != nil {
				s.t.Fatal(err)
			}
			continue
		}
		var f audit.Finding
		if err := json.Unmarshal([]byte(line), &f); err != nil || f.Code == "" {
			s.t.Fatalf("a line %q: %v", line, err)
		}
		found = append(found, f)
	}
	if doc.Summary == nil {
		s.t.Fatalf("audit: exit %d\n%s%s", code, out, errs)
	}
	return *doc.Summary, found, code
}

// allDone waits until an audit finds n images done and nothing else.
func (s *system) allDone(n int) {
	s.t.Helper()
	eventually(s.t, "all images done", func() error {
		r, found, code := s.audited()
		if r.Images.Done != int64(n) || r.Images.Total != int64(n) || code != 0 || len(found) != 0 {
			return fmt.Errorf("exit %d, %+v, %v", code, r.Images, found)
		}
		return nil
	})
	if r, found, code := s.audited("--deep"); code != 0 || r.Results.Leftovers != 0 || r.OtherRecipe != 0 {
		s.t.Errorf("exit %d, %+v, %v", code, r, found)
	}
}

// TestBackfillKilled loses the events of all images, kills the backfill that mends it in the
// middle, and has it go on: each image is processed once, and nobody is told by mail.
func TestBackfillKilled(t *testing.T) {
	t.Parallel()
	awstest.Each(t, func(t *testing.T, endpoint string) {
		const n = 300
		s := newSystem(t)
		s.at(endpoint)
		s.provision()
		s.deaf()
		s.fill(n)
		r, found, code := s.audited()
		if code != 1 || r.Images.Lost != n || len(found) != n || found[0].Code != audit.LostUpload {
			t.Fatalf("audit: exit %d, %+v", code, r)
		}
		app := s.startApp()
		state := filepath.Join(t.TempDir(), "state.json")
		first := start(t, s.env, "backfill", "--json", "--state", state, "--rate", "100")
		eventually(t, "a third is sent and on record", func() error {
			text, err := os.ReadFile(state)
			var point struct{ Counts struct{ Sent int } }
			if err == nil {
				err = json.Unmarshal(text, &point)
			}
			if err == nil && point.Counts.Sent < n/3 {
				err = fmt.Errorf("%d are sent", point.Counts.Sent)
			}
			return err
		})
		first.kill()
		before := strings.Count(first.out.String(), `"sent":true`)
		if before >= n {
			t.Fatal("it was killed too late")
		}
		out, errs, code := tintype(t, s.env, "backfill", "--state", state, "--rate", "0")
		if code != 0 || !strings.Contains(out, "Going on after") {
			t.Fatalf("backfill: exit %d\n%s%s", code, out, errs)
		}
		if _, err := os.Stat(state); !os.IsNotExist(err) {
			t.Errorf("the state of what is done is left: %v", err)
		}
		s.allDone(n)
		s.drained("ImageApp")
		if got := strings.Count(app.out.String(), `msg="an image is done"`); got != n {
			t.Errorf("%d images were processed, want %d", got, n)
		}
		if out, _, code := tintype(t, s.env, "backfill", "--json"); code != 0 || !strings.Contains(out, `"sent":0`) {
			t.Errorf("once more: exit %d\n%s", code, out)
		}
	})
}

// TestBackfillOutage takes the endpoint away from a backfill: for a moment, which it outlasts,
// and for good, which it says, and how to go on.
func TestBackfillOutage(t *testing.T) {
	t.Parallel()
	const n = 150
	s := newSystem(t)
	endpoint := s.startEndpoint()
	s.provision()
	s.deaf()
	s.fill(n)
	state := filepath.Join(t.TempDir(), "state.json")
	backfill := start(t, s.env, "backfill", "--json", "--state", state, "--rate", "25")
	sent := func() int { return strings.Count(backfill.out.String(), `"sent":true`) }
	half := func(at int) {
		t.Helper()
		eventually(t, "it is under way", func() error {
			if n := sent(); n < at {
				return fmt.Errorf("%d are sent", n)
			}
			return nil
		})
	}
	half(20)
	endpoint.kill()
	endpoint = s.startEndpoint()
	half(sent() + 30)
	endpoint.kill()
	eventually(t, "it gives up", func() error {
		if backfill.alive() {
			return fmt.Errorf("%d are sent", sent())
		}
		return nil
	})
	if text := backfill.out.String(); backfill.code() != 1 || !strings.Contains(text, "To go on: the same command goes on from there; "+state) {
		t.Fatalf("exit %d\n%s", backfill.code(), tailOf(text, 10))
	}
	s.startEndpoint()
	out, errs, code := tintype(t, s.env, "backfill", "--json", "--state", state, "--rate", "0")
	if code != 0 {
		t.Fatalf("exit %d\n%s%s", code, out, errs)
	}
	s.startApp()
	s.allDone(n)
}

// TestSweepCommand removes what no manifest names, only where somebody agrees.
func TestSweepCommand(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.startUp()
	photo := testimages.Photo()
	if err := s.put("a.jpg", photo, nil); err != nil {
		t.Fatal(err)
	}
	id := store.IDForKey("a.jpg")
	old := s.finished(id)
	if err := s.put("a.jpg", photo, map[string]string{"tintype-recipe": "sepia"}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new result", func() error {
		if m, err := s.manifest(id); err != nil || m.Recipe != "sepia" {
			return fmt.Errorf("%v, %w", m, err)
		}
		return nil
	})
	if r, _, code := s.audited(); code != 0 || r.Results.Leftovers != int64(len(old.Outputs)) {
		t.Errorf("exit %d, %+v", code, r)
	}
	if _, errs, code := tintype(t, s.env, "audit", "--sweep", "--older-than", "0s"); code != 1 || !strings.Contains(errs, "nobody can be asked") {
		t.Errorf("exit %d: %s", code, errs)
	}
	if out, errs, code := tintype(t, s.env, "audit", "--sweep", "--yes"); code != 0 || !strings.Contains(out, "No leftover is older than 24h") {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
	if out, errs, code := tintype(t, s.env, "audit", "--sweep", "--older-than", "0s", "--yes"); code != 0 || !strings.Contains(out, "3 leftovers are removed") {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
	s.allDone(1)
}
