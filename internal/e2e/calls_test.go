package e2e

import (
	"context"
	"fmt"
	"path"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/tintype/tintype/internal/cost"
	fp "github.com/tintype/tintype/internal/faultproxy"
	"github.com/tintype/tintype/internal/store"
	"github.com/tintype/tintype/internal/testimages"
	"github.com/tintype/tintype/localawstest"
)

// TestCallsPerImage counts what real tiers ask of AWS while they work off a backlog, and holds
// the model of costs to it: a change that asks for more fails here, before somebody pays for it.
func TestCallsPerImage(t *testing.T) {
	t.Parallel()
	const images, outputs = 120, 3
	endpoint := localawstest.New(t).URL
	s := newSystem(t)
	s.at(endpoint)
	s.provision()

	web := fp.New(t, fp.Options{Target: endpoint})
	s.through(web.URL)
	s.startWeb("--presence", "0")
	body := testimages.JPEG(900, 600)
	var ids []string
	for range images {
		id := store.NewID(time.Now())
		if err := s.put(store.UploadKey(id, "a.jpg"), body, nil); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	// S3 has sent a test event, too.
	if waiting, _, err := s.depth("ImageApp"); err != nil || waiting < images {
		t.Fatalf("%d wait, %v", waiting, err)
	}
	webBefore := web.Calls("sqs.ReceiveMessage")

	app := fp.New(t, fp.Options{Target: endpoint})
	s.through(app.URL)
	s.startApp("--presence", "0", "--workers", "2")
	for _, id := range ids {
		if m := s.finished(id); len(m.Outputs) != outputs {
			t.Fatalf("%s: %d outputs, want %d", id, len(m.Outputs), outputs)
		}
	}
	s.drained("ImageApp")
	eventually(t, "the web tier has heard of all", func() error {
		if n := web.Calls("sqs.DeleteMessageBatch"); n == 0 {
			return fmt.Errorf("%d deletes", n)
		}
		return s.nothingIn(s.webQueues())
	})

	f := cost.PerImage
	per := func(p *fp.Proxy, op string) float64 { return float64(p.Calls(op)) / images }
	// What is done once, at the start and for figures, and the race detector's slowness.
	const once = 8.0 / images
	for _, c := range []struct {
		what        string
		got         float64
		least, most float64
	}{
		{"app: S3 GET", per(app, "s3.GetObject"), 1, f.AppGets},
		{"app: S3 HEAD", per(app, "s3.HeadObject"), 0, f.AppHeads},
		{"app: S3 LIST", per(app, "s3.ListObjectsV2"), 0, 0},
		{"app: S3 PUT", per(app, "s3.PutObject"), outputs + f.AppManifests, outputs + f.AppManifests},
		{"app: SNS publish", per(app, "sns.Publish"), f.AppPublishes, f.AppPublishes},
		{"app: SQS receive", per(app, "sqs.ReceiveMessage"), 0.1, f.AppReceives},
		{"app: SQS delete", per(app, "sqs.DeleteMessageBatch") + per(app, "sqs.DeleteMessage"), 0.1, f.AppDeletes},
		{"app: SQS others", per(app, "sqs.ChangeMessageVisibilityBatch") + per(app, "sqs.ChangeMessageVisibility") + per(app, "sqs.GetQueueAttributes"), 0, 0},
		{"web: SQS receive", float64(web.Calls("sqs.ReceiveMessage")-webBefore) / images, 0, f.WebReceives},
		{"web: SQS delete", per(web, "sqs.DeleteMessageBatch") + per(web, "sqs.DeleteMessage"), 0, f.WebDeletes},
		{"web: S3 GET", per(web, "s3.GetObject"), 0, 0},
		{"web: S3 LIST", per(web, "s3.ListObjectsV2"), 0, 0},
		{"web: SNS publish", per(web, "sns.Publish"), 0, 0},
	} {
		t.Logf("%-18s %.3f per image (model: at most %.3g)", c.what, c.got, c.most)
		if c.got < c.least || c.got > c.most+once {
			t.Errorf("%s: %.3f per image; internal/cost's factors, and docs/deploy.md, say %v to %v", c.what, c.got, c.least, c.most)
		}
	}
}

// webQueues are the names of the queues that web tiers have made for themselves.
func (s *system) webQueues() (names []string) {
	s.t.Helper()
	out, err := s.sqs.ListQueues(context.Background(), &sqs.ListQueuesInput{})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, u := range out.QueueUrls {
		if name := path.Base(u); name != "ImageApp" && name != "ImageApp-dlq" {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		s.t.Fatal("no web tier has a queue")
	}
	return names
}

// nothingIn is an error while one of these queues holds messages.
func (s *system) nothingIn(queues []string) error {
	for _, q := range queues {
		if waiting, inFlight, err := s.depth(q); err != nil || waiting+inFlight > 0 {
			return fmt.Errorf("%s: %d waiting, %d in flight, %w", q, waiting, inFlight, err)
		}
	}
	return nil
}
