package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/store"
	"github.com/tintype/tintype/internal/testimages"
)

// heavy is an image of a few kilobytes that takes seconds and hundreds of megabytes.
func heavy() []byte { return testimages.BlackPNG(9900, 9900) }

// heavyMemory is what a process that works on heavy holds and one at a small image does
// not, bytes.
const heavyMemory = 200 << 20

// resident is the memory that a process holds, in bytes; 0 where it has ended.
func resident(pid int) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	var size, pages int64
	if _, err := fmt.Sscan(string(b), &size, &pages); err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}

// strike sends a signal to whichever of the processes' imaging processes works on a heavy
// image, as often as one does, until the test is over or stop is called. It is how an image
// can be one that crashes, or hangs, the libraries that it meets.
func strike(t *testing.T, sig syscall.Signal, victims func() []int) (stop func() (strikes int64)) {
	t.Helper()
	var n atomic.Int64
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		struck := map[int]bool{}
		for {
			select {
			case <-tick.C:
			case <-quit:
				return
			}
			for _, pid := range victims() {
				if !struck[pid] && resident(pid) > heavyMemory && syscall.Kill(pid, sig) == nil {
					struck[pid] = true
					n.Add(1)
				}
			}
		}
	}()
	stop = func() int64 {
		select {
		case <-quit:
		default:
			close(quit)
		}
		<-done
		return n.Load()
	}
	t.Cleanup(func() { stop() })
	return stop
}

// TestPoison sends images that crash, hang or eat memory among good ones through two app
// processes: each ends as failed and says of what, and the good ones do not notice.
func TestPoison(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		code string
		args []string
		sig  syscall.Signal // what becomes of a process that works on the image; 0: nothing
	}{
		{fault.CodeImageCrash, nil, syscall.SIGSEGV},
		{fault.CodeImageTimeout, []string{"--image-timeout", "5s"}, syscall.SIGSTOP},
		{fault.CodeImageMemory, []string{"--image-memory", "134217728"}, 0},
	} {
		t.Run(tc.code, func(t *testing.T) {
			s := newSystem(t)
			s.startEndpoint("--log-level", "warn")
			s.provision()
			announced := watchCompletions(t, s)
			var apps []*process
			for range 2 {
				s.appAddr = freeAddr(t)
				apps = append(apps, s.startApp(append([]string{"--workers", "2"}, tc.args...)...))
			}
			stop := func() int64 { return 0 }
			if tc.sig != 0 {
				stop = strike(t, tc.sig, func() []int {
					return slices.Concat(imagingProcesses(t, apps[0].cmd.Process.Pid), imagingProcesses(t, apps[1].cmd.Process.Pid))
				})
			}
			l := newLedger()
			for i := range 3 {
				if err := s.put(fmt.Sprintf("poison/%d.png", i), heavy(), nil); err != nil {
					t.Fatal(err)
				}
				l.add(store.IDForKey(fmt.Sprintf("poison/%d.png", i)), promise{code: tc.code})
				<-s.feed(t, l, 8)
			}
			check(t, s, l, announced, expectations{attempts: 1})
			if n := stop(); tc.sig != 0 && n < 6 {
				t.Errorf("%d imaging processes were struck, want two for each of 3 images", n)
			}
			for _, app := range apps {
				if !app.alive() || strings.Contains(app.out.String(), "lost the lease") {
					t.Errorf("an app process is alive: %v, and has lost a lease: %v", app.alive(), strings.Contains(app.out.String(), "lost the lease"))
				}
			}
		})
	}
}

// TestPoisonWithoutIsolation: an image that ends the whole app process, whenever one begins
// it, ends in the dead-letter queue, and what was in work beside it ends as done.
func TestPoisonWithoutIsolation(t *testing.T) {
	t.Parallel()
	// Each death costs a lease, half a minute: the queue is less patient here than by default.
	poisonWithoutIsolation(t, 6, 2)
}

// poisonWithoutIsolation has n good images beside one that ends the process, which may be
// received so many times.
func poisonWithoutIsolation(t *testing.T, n, receives int) {
	s := newSystem(t)
	s.startEndpoint("--log-level", "warn")
	s.provision()
	s.redriveAfter(receives)
	announced := watchCompletions(t, s)
	l := newLedger()
	<-s.feed(t, l, n)
	poison := store.IDForKey("poison/0.png")
	if err := s.put("poison/0.png", heavy(), nil); err != nil {
		t.Fatal(err)
	}
	l.add(poison, promise{})
	// A service manager starts what has ended again.
	var app *process
	var baseline int64
	begin := func() {
		app = s.startApp("--isolation", "none", "--workers", "2")
		baseline = resident(app.cmd.Process.Pid)
	}
	begin()
	deaths := 0
	within(t, 6*time.Minute, "the image is in the dead-letter queue", func() error {
		if resident(app.cmd.Process.Pid) > baseline+heavyMemory {
			app.kill()
			deaths++
			begin()
		}
		waiting, inFlight, err := s.depth("ImageApp-dlq")
		if err == nil && waiting+inFlight == 0 {
			err = fmt.Errorf("it is not there after %d deaths", deaths)
		}
		return err
	})
	if deaths != receives {
		t.Errorf("the app process died %d times, want %d", deaths, receives)
	}
	check(t, s, l, announced, expectations{deadLetters: 1, dead: []string{poison}})
}

// redriveAfter changes how often a message is received before it is a dead letter.
func (s *system) redriveAfter(receives int) {
	s.t.Helper()
	ctx := context.Background()
	q, err := s.sqs.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String("ImageApp")})
	if err != nil {
		s.t.Fatal(err)
	}
	got, err := s.sqs.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: q.QueueUrl, AttributeNames: []sqstypes.QueueAttributeName{"RedrivePolicy"}})
	if err != nil {
		s.t.Fatal(err)
	}
	var policy map[string]any
	if err := json.Unmarshal([]byte(got.Attributes["RedrivePolicy"]), &policy); err != nil {
		s.t.Fatal(err)
	}
	policy["maxReceiveCount"] = receives
	b, _ := json.Marshal(policy)
	if _, err := s.sqs.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: q.QueueUrl, Attributes: map[string]string{"RedrivePolicy": string(b)}}); err != nil {
		s.t.Fatal(err)
	}
}
