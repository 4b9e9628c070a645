package isolate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/davidbyttow/govips/v2/vips"
	"go.uber.org/goleak"

	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/imaging"
	"github.com/tintype/tintype/internal/testimages"
)

// parentMarker starts the test binary as a parent, to be killed.
const parentMarker = "be-a-parent"

func TestMain(m *testing.M) {
	wrap = misbehave
	Main()
	if len(os.Args) == 2 && os.Args[1] == parentMarker {
		beParent()
	}
	code := m.Run()
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	if left := children(); len(left) > 0 {
		fmt.Fprintln(os.Stderr, "processes are left:", left)
		code = 1
	}
	os.Exit(code)
}

// misbehave is what a test's children do: a recipe's name tells them what.
func misbehave(work processor) processor {
	return func(ctx context.Context, req imaging.Request) (*imaging.Picture, error) {
		switch what, arg, _ := strings.Cut(req.Job.Recipe, " "); what {
		case "segv":
			_ = syscall.Kill(os.Getpid(), syscall.SIGSEGV) // where a filter forbids this, the next does
			crash()
		case "exit":
			os.Exit(0)
		case "panic":
			panic("a panic")
		case "spin":
			for n := 0; ; n++ {
				_ = n
			}
		case "sleep":
			select {}
		case "allocate":
			allocate()
		case "grab":
			_ = make([]byte, 64<<30)
		case "starved":
			return nil, fmt.Errorf("decode: %w", &fault.Error{Kind: fault.Permanent, Code: fault.CodeCorrupt, Message: "Damaged.", Err: errors.New("vips_tracked: out of memory --- size == 40MB")})
		case "close":
			os.NewFile(socketFD, "").Close()
			select {}
		case "garbage":
			f := os.NewFile(socketFD, "")
			for {
				_, _ = f.Write([]byte("<html>this is no frame</html>"))
			}
		case "lie":
			lie(arg)
		case "twice": // an answer, and one more that nobody waits for
			pic, err := work(ctx, req)
			f := os.NewFile(socketFD, "")
			head, parts, _ := encodeAnswer(1, pic, err)
			_ = writeFrame(f, kindAnswer, head, parts...)
			return pic, err
		case "noise":
			for i := range 100_000 {
				fmt.Fprintf(os.Stderr, "line %d \x1b[31mred\x1b[0m %s\n", i, strings.Repeat("x", i%2000))
			}
		case "text":
			return nil, &fault.Error{Kind: fault.Permanent, Code: fault.CodeCorrupt, Message: text()}
		case "probe":
			return nil, &fault.Error{Kind: fault.Permanent, Code: fault.CodeCorrupt, Message: probe(arg)}
		}
		return work(ctx, req)
	}
}

// allocate takes memory as fast as it can, and uses it.
func allocate() {
	var all [][]byte
	for {
		b := make([]byte, 16<<20)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		all = append(all, b)
		_ = all
	}
}

// lie answers with something that the parent must not believe.
func lie(what string) {
	h := map[string]any{"ID": 1, "Source": imaging.Info{Width: 9, Height: 9, Format: "png"}}
	switch what {
	case "id":
		h["ID"] = 7777
	case "code":
		h["Fault"] = faultHead{Code: "made_up", Message: "A message."}
	}
	head, _ := json.Marshal(h)
	_ = writeFrame(os.NewFile(socketFD, ""), kindAnswer, head)
	select {}
}

// text draws a text with libvips, which reads fonts for it, and says what is on the picture.
func text() string {
	ref, err := vips.Black(300, 60)
	if err != nil {
		return err.Error()
	}
	defer ref.Close()
	err = ref.Label(&vips.LabelParams{Text: "Tintype", Font: "sans 20", Opacity: 1, Color: vips.Color{R: 255, G: 255, B: 255},
		Width: vips.ValueOf(300), Height: vips.ValueOf(60)})
	if err != nil {
		return strings.ReplaceAll(err.Error(), "\n", " ")
	}
	mean, err := ref.Average()
	if err != nil || mean < 1 {
		return fmt.Sprintf("nothing is drawn: mean %v, %v", mean, err)
	}
	return "text is drawn"
}

// probe tries what a child must not be able to do and tells how that went.
func probe(what string) string {
	var err error
	switch what {
	case "socket":
		_, err = net.Dial("tcp", "127.0.0.1:9")
		var refused *net.OpError
		if errors.As(err, &refused) && errors.Is(err, syscall.ECONNREFUSED) {
			err = nil // it reached out, and only nobody listens
		}
	case "unix socket":
		_, err = syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	case "read":
		_, err = os.ReadFile("/etc/passwd")
	case "read proc":
		_, err = os.ReadFile("/proc/self/environ")
	case "write":
		err = os.WriteFile("/tmp/tintype-isolate-probe", []byte("x"), 0o600)
	case "exec":
		err = syscall.Exec("/bin/true", []string{"true"}, nil)
	case "exec self":
		err = syscall.Exec("/proc/self/exe", []string{"x"}, nil)
	case "fork":
		pid, _, e := syscall.RawSyscall(syscall.SYS_CLONE, uintptr(syscall.SIGCHLD), 0, 0)
		if pid == 0 && e == 0 {
			syscall.RawSyscall(syscall.SYS_EXIT_GROUP, 0, 0, 0)
		}
		if e != 0 {
			err = e
		}
	case "kill parent":
		err = syscall.Kill(os.Getppid(), 0)
	case "ptrace":
		err = syscall.PtraceAttach(os.Getppid())
	case "environment":
		for _, e := range os.Environ() {
			if name, _, _ := strings.Cut(e, "="); strings.Contains(name, "AWS") || strings.Contains(name, "HOME") || strings.Contains(name, "PATH") {
				return "it sees " + name
			}
		}
		err = errors.New("nothing to see")
	case "core":
		err = syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{Cur: 1, Max: 1})
	}
	if err == nil {
		return "it can"
	}
	return "it cannot: " + strings.ReplaceAll(err.Error(), "://", "")
}

// beParent runs a pool until it is killed: its children are at work or idle.
func beParent() {
	p, err := New(Options{Workers: 3, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	go func() {
		_, _ = p.Process(context.Background(), imaging.Request{Source: testimages.PNG(8, 8), Job: job("spin")})
	}()
	go func() {
		_, _ = p.Process(context.Background(), imaging.Request{Source: testimages.PNG(8, 8), Job: job("sleep")})
	}()
	fmt.Println("ready")
	time.Sleep(time.Hour)
}

func newPool(t testing.TB, o Options) *Pool {
	t.Helper()
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	if o.Memory == 0 && raceDetector {
		o.Memory = -1
	}
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// works checks that a pool still makes right pictures.
func works(t testing.TB, p *Pool) {
	t.Helper()
	pic, err := p.Process(context.Background(), imaging.Request{Source: testimages.PNG(60, 40), Job: job("")})
	if err != nil {
		t.Errorf("a sound image: %v", err)
		return
	}
	if len(pic.Outputs) != 3 || pic.Outputs[0].Width != 60 || pic.Outputs[0].ContentType != "image/png" || pic.Outputs[0].Ext != "png" || pic.Source.Format != "png" {
		t.Errorf("a sound image becomes %+v", pic.Source)
	}
}
