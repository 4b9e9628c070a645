package isolate

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/imaging"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/testimages"
	"golang.org/x/sys/unix"
)

// TestSameAsEngine: what comes through a child is what the engine makes.
func TestSameAsEngine(t *testing.T) {
	p := newPool(t, Options{Workers: 1})
	e, err := imaging.New(imaging.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if p.Version() != e.Version() {
		t.Errorf("libvips %q, the engine's is %q", p.Version(), e.Version())
	}
	for _, r := range recipe.Builtin().Recipes() {
		job, err := recipe.Builtin().Resolve(r.Name, nil)
		if err != nil {
			t.Fatal(err)
		}
		req := imaging.Request{Source: testimages.Photo(), Job: job}
		want, err := e.Process(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		got, err := p.Process(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		if got.Source != want.Source {
			t.Errorf("%s: source %+v, want %+v", r.Name, got.Source, want.Source)
		}
		for i, o := range want.Outputs {
			g := got.Outputs[i]
			same := bytes.Equal(g.Bytes, o.Bytes)
			g.Bytes, o.Bytes = nil, nil
			if !same || !reflect.DeepEqual(g, o) {
				t.Errorf("%s: output %+v, want %+v, same bytes %v", r.Name, g, o, same)
			}
		}
	}
}

// TestRoomsAreUsedAgain: the bytes of a picture stay as they are, whatever is made meanwhile, until it
// is done; then they are another's.
func TestRoomsAreUsedAgain(t *testing.T) {
	p := newPool(t, Options{Workers: 2})
	job, err := recipe.Builtin().Resolve("thumbnail", nil)
	if err != nil {
		t.Fatal(err)
	}
	sources := [][]byte{testimages.Photo(), testimages.JPEG(640, 480), testimages.PNG(300, 200)}
	var mu sync.Mutex
	want := map[int][]byte{}
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := range 12 {
				n := (worker + i) % len(sources)
				pic, err := p.Process(t.Context(), imaging.Request{Source: sources[n], Job: job})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				if want[n] == nil {
					want[n] = bytes.Clone(pic.Outputs[0].Bytes)
				}
				mu.Unlock()
				works(t, p) // another picture in between
				mu.Lock()
				same := bytes.Equal(pic.Outputs[0].Bytes, want[n])
				mu.Unlock()
				if !same {
					t.Errorf("picture %d changed before it was done", n)
				}
				pic.Done()
				pic.Done()
				if pic.Outputs[0].Bytes != nil {
					t.Error("the bytes can be reached after the picture is done")
				}
			}
		})
	}
	wg.Wait()
}

// TestAWatermarkThroughAChild: pictures come along, and what is wrong with one is told.
func TestAWatermarkThroughAChild(t *testing.T) {
	p := newPool(t, Options{Workers: 1})
	req := imaging.Request{Source: testimages.Photo(), Job: &recipe.Job{
		Steps:   []recipe.Step{{Kind: recipe.StepWatermark, Image: "logo.png", Position: "center", Scale: "0.5", Margin: "0", Opacity: "1"}},
		Outputs: []recipe.Output{{Name: "out", Format: recipe.PNG}},
	}}
	e, err := imaging.New(imaging.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	req.Assets = map[string][]byte{"logo.png": testimages.PNG(20, 10)}
	want, err := e.Process(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	got, err := p.Process(t.Context(), req)
	if err != nil || got.PID != children()[0] {
		t.Fatalf("%v; not made by the child", err)
	}
	if got.PID, got.Release = 0, nil; !reflect.DeepEqual(got, want) {
		t.Error("another picture than the engine's")
	}
	for name, assets := range map[string]map[string][]byte{"missing": nil, "no picture": {"logo.png": []byte("logo")}} {
		req.Assets = assets
		if _, err := p.Process(t.Context(), req); fault.CodeOf(err) != fault.CodeBadAsset {
			t.Errorf("%s: %v, want code %s", name, err, fault.CodeBadAsset)
		}
	}
}

// TestBadFilesKeepTheirCodes: what is wrong with a file is told in the engine's words, and
// costs no child.
func TestBadFilesKeepTheirCodes(t *testing.T) {
	p := newPool(t, Options{Workers: 1})
	before := children()
	for _, f := range testimages.Bad() {
		_, err := p.Process(t.Context(), imaging.Request{Source: f.Bytes, Job: job("")})
		got := fault.As(err)
		if got == nil || got.Code != f.Code || got.Kind != fault.Permanent || !strings.HasSuffix(got.Message, ".") {
			t.Errorf("%s: %v, want code %s", f.Name, err, f.Code)
		}
	}
	if after := children(); len(after) != 1 || after[0] != before[0] {
		t.Errorf("child %v became %v", before, after)
	}
}

// TestLimitsReachTheChild also holds that the parent refuses what is too large itself.
func TestLimitsReachTheChild(t *testing.T) {
	p := newPool(t, Options{Workers: 1, Limits: imaging.Limits{Pixels: 2000, Bytes: 1 << 20}})
	for src, code := range map[string]string{string(testimages.PNG(60, 40)): fault.CodeTooManyPixels, strings.Repeat("x", 1<<20+1): fault.CodeTooLarge, "": fault.CodeEmpty} {
		if _, err := p.Process(t.Context(), imaging.Request{Source: []byte(src), Job: job("")}); fault.CodeOf(err) != code {
			t.Errorf("%d bytes: %v, want %s", len(src), err, code)
		}
	}
}

// TestMisbehaviour: each way to fail ends with its code, after two children, and harms
// nobody else.
func TestMisbehaviour(t *testing.T) {
	for name, code := range map[string]string{
		"segv": fault.CodeImageCrash, "exit": fault.CodeImageCrash, "panic": fault.CodeImageCrash, "close": fault.CodeImageCrash,
		"garbage": fault.CodeImageCrash, "lie id": fault.CodeImageCrash, "lie code": fault.CodeImageCrash, "lie outputs": fault.CodeImageCrash,
		"spin": fault.CodeImageTimeout, "sleep": fault.CodeImageTimeout, "starved": fault.CodeImageMemory,
	} {
		t.Run(name, func(t *testing.T) {
			var log lockedBuffer
			p := newPool(t, Options{Workers: 2, Timeout: 1500 * time.Millisecond, Logger: slog.New(slog.NewTextHandler(&log, nil))})
			var wg sync.WaitGroup
			wg.Go(func() {
				for range 5 {
					works(t, p)
				}
			})
			_, err := p.Process(t.Context(), imaging.Request{Source: testimages.PNG(8, 8), Job: job(name)})
			wg.Wait()
			f := fault.As(err)
			if f == nil || f.Code != code || f.Kind != fault.Permanent || f.Message == "" || f.Hint == "" {
				t.Errorf("%v, want %s", err, code)
			}
			if n := strings.Count(log.String(), "failed over an image"); n != 2 {
				t.Errorf("%d attempts are logged, want 2:\n%s", n, log.String())
			}
			works(t, p)
		})
	}
}

// TestMemory: what is taken bit by bit is measured; what is taken at once is refused.
func TestMemory(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector's own memory is beyond any limit")
	}
	p := newPool(t, Options{Workers: 1, Memory: 256 << 20})
	for _, name := range []string{"allocate", "grab"} {
		j := job("")
		j.Recipe = name
		_, err := p.Process(t.Context(), imaging.Request{Source: testimages.PNG(8, 8), Job: j})
		if fault.CodeOf(err) != fault.CodeImageMemory || fault.KindOf(err) != fault.Permanent {
			t.Errorf("%s: %v", name, err)
		}
	}
	works(t, p)
	// A real picture: 90 million pixels do not fit into 256 MB.
	_, err := p.Process(t.Context(), imaging.Request{Source: testimages.BlackPNG(9000, 10_000), Job: job("")})
	if fault.CodeOf(err) != fault.CodeImageMemory {
		t.Errorf("90 million pixels: %v", err)
	}
}

// TestLargeWithoutFiles: libvips would decode this into a temporary file, which a child
// cannot write.
func TestLargeWithoutFiles(t *testing.T) {
	p := newPool(t, Options{Workers: 1})
	as := func(f recipe.Format, src []byte) *imaging.Picture {
		pic, err := p.Process(t.Context(), imaging.Request{Source: src, Job: &recipe.Job{Outputs: []recipe.Output{{Name: "full", Format: f}}}})
		if err != nil {
			t.Fatalf("to %s: %v", f, err)
		}
		return pic
	}
	large := testimages.BlackPNG(6000, 6100) // 110 MB
	if pic := as(recipe.JPEG, as(recipe.WebP, large).Outputs[0].Bytes); pic.Source.Width != 6000 || pic.Source.Format != "webp" {
		t.Errorf("%+v", pic.Source)
	}
}

// TestUnaskedAnswer: a child that has said more than it was asked is not asked again, and
// its words are never taken for the answer to the next image.
func TestUnaskedAnswer(t *testing.T) {
	p := newPool(t, Options{Workers: 1})
	if _, err := p.Process(t.Context(), imaging.Request{Source: testimages.PNG(8, 8), Job: job("twice")}); err != nil {
		t.Fatal(err)
	}
	works(t, p)
}

// TestNoise: what a child prints is bounded, and cannot act on a terminal.
func TestNoise(t *testing.T) {
	var log lockedBuffer
	p := newPool(t, Options{Workers: 1, Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if _, err := p.Process(t.Context(), imaging.Request{Source: testimages.PNG(8, 8), Job: job("noise")}); err != nil {
		t.Fatal(err)
	}
	p.Close()
	text := log.String()
	if !strings.Contains(text, "line 0") || strings.Contains(text, "\x1b") || strings.Contains(text, `\x1b`) || len(text) > maxLines*(maxLine*3+200) {
		t.Errorf("%d bytes of log: %.300q", len(text), text)
	}
}

// TestConfinement lets a child try.
func TestConfinement(t *testing.T) {
	t.Setenv("AWS_SECRET_ACCESS_KEY", "very secret")
	p := newPool(t, Options{Workers: 1})
	s := p.Confinement()
	if !s.Seccomp || s.Landlock == 0 || !s.NoNewPrivs || !s.Full() {
		t.Skipf("this kernel does not offer all: %+v", s)
	}
	if got := Confinement(); got.Landlock != s.Landlock || !got.Seccomp {
		t.Errorf("asked without a pool: %+v, with one: %+v", got, s)
	}
	for _, what := range []string{"socket", "unix socket", "read", "read proc", "write", "exec", "exec self", "fork", "kill parent", "ptrace", "environment", "core"} {
		_, err := p.Process(t.Context(), imaging.Request{Source: testimages.PNG(8, 8), Job: job("probe " + what)})
		if err == nil || !strings.Contains(err.Error(), "it cannot") {
			t.Errorf("%s: %v", what, err)
		} else {
			t.Logf("%s: %v", what, err)
		}
	}
	works(t, p)
	if _, err := os.Stat("/usr/share/fonts"); err == nil {
		_, err := p.Process(t.Context(), imaging.Request{Source: testimages.PNG(8, 8), Job: job("text")})
		if err == nil || !strings.Contains(err.Error(), "text is drawn") {
			t.Errorf("fonts: %v", err)
		}
	}
	status, err := os.ReadFile("/proc/" + itoa(children()[0]) + "/status")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"NoNewPrivs:\t1", "Seccomp:\t2", "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000"} {
		if !strings.Contains(string(status), want) {
			t.Errorf("its status has no %q", want)
		}
	}
	// The parent is as free as before.
	if _, err := os.ReadFile("/etc/passwd"); err != nil {
		t.Errorf("the parent is confined too: %v", err)
	}
}

// TestOlderKernels: without Landlock no file can be opened at all, which the formats do
// not need; of versions in between, what each has is used.
func TestOlderKernels(t *testing.T) {
	newest := landlockABI()
	for abi := range newest {
		kernelLandlock = func() int { return abi }
		p := newPool(t, Options{Workers: 1})
		kernelLandlock = landlockABI
		s := p.Confinement()
		if s.Landlock != abi || s.Full() != (abi > 0) {
			t.Errorf("version %d: %+v", abi, s)
		}
		for _, what := range []string{"read", "write", "exec self"} {
			if _, err := p.Process(t.Context(), imaging.Request{Source: testimages.PNG(8, 8), Job: job("probe " + what)}); err == nil || !strings.Contains(err.Error(), "it cannot") {
				t.Errorf("version %d: %s: %v", abi, what, err)
			}
		}
		web, err := recipe.Builtin().Resolve("web", nil) // JPEG, WebP, AVIF
		if err != nil {
			t.Fatal(err)
		}
		pic, err := p.Process(t.Context(), imaging.Request{Source: testimages.Photo(), Job: web})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range pic.Outputs {
			if _, err := p.Process(t.Context(), imaging.Request{Source: o.Bytes, Job: job("")}); err != nil {
				t.Errorf("version %d: %s is not read: %v", abi, o.Format, err)
			}
		}
	}
}

// TestCancel: a lost lease ends the child at once.
func TestCancel(t *testing.T) {
	p := newPool(t, Options{Workers: 1})
	for _, name := range []string{"spin", "sleep"} {
		lost := errors.New("lease lost")
		ctx, cancel := context.WithCancelCause(t.Context())
		before := children() // on a busy machine it takes a while
		time.AfterFunc(50*time.Millisecond, func() { cancel(lost) })
		_, err := p.Process(ctx, imaging.Request{Source: testimages.PNG(8, 8), Job: job(name)})
		if !errors.Is(err, lost) || fault.KindOf(err) != fault.Retry {
			t.Errorf("%s: %v", name, err)
		}
		works(t, p)
		if after := children(); len(after) != 1 || after[0] == before[0] {
			t.Errorf("%s: child %v, before %v", name, after, before)
		}
	}
	// Waiting for a child ends with ctx, too.
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := make(chan error)
	go func() {
		_, err := p.Process(ctx, imaging.Request{Source: testimages.PNG(8, 8), Job: job("sleep")})
		ended <- err
	}()
	other, stop := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer stop()
	for range 2 { // whichever of the three gets the child
		if _, err := p.Process(other, imaging.Request{Source: testimages.PNG(8, 8), Job: job("sleep")}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waiting: %v", err)
		}
	}
	cancel(nil)
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestClose: it waits for what is in work, refuses more, and leaves nothing.
func TestClose(t *testing.T) {
	files := openFiles()
	p := newPool(t, Options{Workers: 3})
	pids := children()
	if len(pids) != 3 {
		t.Fatalf("children %v, want 3", pids)
	}
	entered := make(chan error, 1)
	go func() {
		_, err := p.Process(context.Background(), imaging.Request{Source: testimages.JPEG(2000, 1500), Job: job("")})
		entered <- err
	}()
	for len(p.slots) == 3 { // until it has taken a child
		time.Sleep(time.Millisecond)
	}
	p.Close()
	p.Close()
	if err := <-entered; err != nil {
		t.Errorf("in work while closing: %v", err)
	}
	if _, err := p.Process(t.Context(), imaging.Request{Source: testimages.PNG(8, 8), Job: job("")}); fault.CodeOf(err) != fault.CodeUnavailable || fault.KindOf(err) != fault.Retry {
		t.Errorf("after Close: %v", err)
	}
	if left := children(); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	if now := openFiles(); now > files {
		t.Errorf("%d files open, before %d", now, files)
	}
}

// TestReplacedAfterImages holds to Options.Images.
func TestReplacedAfterImages(t *testing.T) {
	p := newPool(t, Options{Workers: 1, Images: 2})
	seen := map[int]bool{}
	for range 6 {
		works(t, p)
		s := <-p.slots
		if s.child != nil {
			seen[s.child.pid] = true
		}
		p.slots <- s
	}
	if len(seen) < 3 {
		t.Errorf("%d children for 6 images, want 3 at least", len(seen))
	}
}

// TestIdleDeath: a child that ends while it has nothing to do costs no image.
func TestIdleDeath(t *testing.T) {
	p := newPool(t, Options{Workers: 2})
	for _, pid := range children() {
		syscall.Kill(pid, syscall.SIGKILL)
	}
	for range 4 {
		works(t, p)
	}
}

// TestStartDeath: a child that ends while it starts is noticed at once, and the image comes
// again.
func TestStartDeath(t *testing.T) {
	p := newPool(t, Options{Workers: 1})
	s := <-p.slots
	first := s.child.pid
	p.drop(s, endRetired)
	began := time.Now()
	started := make(chan error)
	go func() {
		_, err := p.start()
		started <- err
	}()
	for killed := false; !killed; {
		for _, pid := range children() {
			killed = pid != first && syscall.Kill(pid, syscall.SIGKILL) == nil
		}
	}
	if err := <-started; err == nil || !strings.Contains(err.Error(), "killed") || time.Since(began) > startTime/2 {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
	p.slots <- s
	works(t, p)
}

// TestSignalsAreTheParents: Ctrl-C and a supervisor's SIGTERM to all do not disturb
// children, whose parent drains.
func TestSignalsAreTheParents(t *testing.T) {
	p := newPool(t, Options{Workers: 1})
	before := children()
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		syscall.Kill(before[0], sig)
	}
	works(t, p)
	if after := children(); after[0] != before[0] {
		t.Errorf("child %v became %v", before, after)
	}
}

// TestStandsBack: every thread of a child leaves the cores to others, and is in the parent's session,
// within which that counts; the parent's do not.
func TestStandsBack(t *testing.T) {
	p := newPool(t, Options{Workers: 2})
	works(t, p)
	nice := func(pid int) (all []string) {
		t.Helper()
		stats, err := filepath.Glob("/proc/" + itoa(pid) + "/task/*/stat")
		if err != nil || len(stats) == 0 {
			t.Fatalf("%v, %v", stats, err)
		}
		for _, name := range stats {
			text, err := os.ReadFile(name)
			if err != nil {
				continue // a thread that has ended
			}
			_, rest, _ := strings.Cut(string(text), ") ")
			all = append(all, strings.Fields(rest)[16]) // the 19th field of proc_pid_stat(5)
		}
		return all
	}
	for _, pid := range children() {
		if all := nice(pid); slices.ContainsFunc(all, func(v string) bool { return v != itoa(niceness) }) {
			t.Errorf("threads of a child have niceness %v", all)
		}
		ours, err := unix.Getsid(0)
		theirs, err2 := unix.Getsid(pid)
		if err != nil || err2 != nil || ours != theirs {
			t.Errorf("a child's session is %d, ours %d: %v, %v", theirs, ours, err, err2)
		}
		if group, err := unix.Getpgid(pid); err != nil || group != pid {
			t.Errorf("a child %d is of the group %d, which a terminal's Ctrl-C may reach: %v", pid, group, err)
		}
	}
	// One is, that which starts children.
	if n := len(slices.DeleteFunc(nice(os.Getpid()), func(v string) bool { return v == "0" })); n > 1 {
		t.Errorf("%d threads of the parent stand back too", n)
	}
}

// TestRandomKills: 200 images while children are killed by chance, with all the signals of
// crashes. Every image ends right or with a code, and the tier lives.
func TestRandomKills(t *testing.T) {
	files := openFiles()
	p := newPool(t, Options{Workers: 3, Logger: slog.New(slog.DiscardHandler)})
	var kills atomic.Int64
	signals := []syscall.Signal{syscall.SIGSEGV, syscall.SIGKILL, syscall.SIGABRT, syscall.SIGBUS, syscall.SIGKILL}
	// kill ends some child, in whatever it does: each second image has one killed.
	kill := func() {
		if pids := children(); rand.IntN(2) == 0 && len(pids) > 0 {
			syscall.Kill(pids[rand.IntN(len(pids))], signals[rand.IntN(len(signals))])
			kills.Add(1)
		}
	}
	src := [][]byte{testimages.Photo(), testimages.PNG(300, 200), testimages.AlphaPNG(200, 200), testimages.JPEG(1200, 900)}
	var ok, coded, again atomic.Int64
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for i := next.Add(1); i <= 200; i = next.Add(1) {
				wg.Go(func() {
					time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond)
					kill()
				})
				pic, err := p.Process(t.Context(), imaging.Request{Source: src[i%int64(len(src))], Job: job("")})
				switch f := fault.As(err); {
				case err == nil && len(pic.Outputs) == 3:
					ok.Add(1)
				case f != nil && f.Kind == fault.Permanent && (f.Code == fault.CodeImageCrash || f.Code == fault.CodeImageMemory):
					coded.Add(1)
				case f != nil && f.Kind == fault.Retry && f.Code == fault.CodeUnavailable: // killed while it started
					again.Add(1)
				default:
					t.Errorf("image %d: %v", i, err)
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%d right, %d with a code, %d to come again, %d kills", ok.Load(), coded.Load(), again.Load(), kills.Load())
	if ok.Load() < 100 || kills.Load() < 10 {
		t.Error("that tests little")
	}
	works(t, p)
	p.Close()
	if left := children(); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	if now := openFiles(); now > files {
		t.Errorf("%d files open, before %d", now, files)
	}
}

// TestParentKilled: children do not outlive a parent that is killed, busy or idle.
func TestParentKilled(t *testing.T) {
	parent := exec.Command("/proc/self/exe", parentMarker)
	parent.Stderr = t.Output()
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 5)
	if _, err := out.Read(buf); err != nil || string(buf) != "ready" {
		t.Fatalf("the parent says %q: %v", buf, err)
	}
	pids := childrenOf(parent.Process.Pid)
	if len(pids) != 3 {
		t.Errorf("children %v, want 3", pids)
	}
	parent.Process.Kill()
	parent.Wait()
	deadline := time.Now().Add(20 * time.Second)
	for _, pid := range pids {
		for running(pid) {
			if time.Now().After(deadline) {
				t.Fatalf("child %d outlives its parent", pid)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
}

// TestNotHooked: without Main children would be whole programs.
func TestNotHooked(t *testing.T) {
	hooked.Store(false)
	defer hooked.Store(true)
	if p, err := New(Options{}); err == nil {
		p.Close()
		t.Error("it starts children that are no children")
	}
}

func TestOptions(t *testing.T) {
	for _, o := range []Options{{Workers: -1}, {Timeout: -1}, {Memory: 1}, {Limits: imaging.Limits{Side: -1}}} {
		if p, err := New(o); err == nil {
			p.Close()
			t.Errorf("%+v is accepted", o)
		}
	}
}
