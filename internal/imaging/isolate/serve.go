package isolate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"

	"github.com/tintype/tintype/internal/imaging"
)

// How a child is started: the name it shows in a list of processes, the argument that
// makes it one, and the descriptor of its end of the socket.
const (
	programName = "tintype"
	marker      = "imaging-child"
	socketFD    = 3
)

// hooked says that this program has called Main: a child that did not would run the whole
// program a second time.
var hooked atomic.Bool

// processor does a child's work.
type processor func(context.Context, imaging.Request) (*imaging.Picture, error)

// wrap, where set, replaces a child's work: tests put crashes there. Set it before Main.
var wrap func(processor) processor

// Main becomes an imaging process where the program was started as one, and does not
// return then. Elsewhere it does nothing. It is the first call in main.
func Main() {
	if len(os.Args) == 2 && os.Args[1] == marker {
		if err := child(); err != nil {
			fmt.Fprintln(os.Stderr, "imaging process:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	hooked.Store(true)
}

// child serves until the parent closes the socket.
func child() error {
	// Only the parent ends a child: a supervisor that signals the whole group means it, and
	// it drains.
	signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	socket := os.NewFile(socketFD, "socket")
	if socket == nil {
		return errors.New("it is started by tintype itself, not by hand")
	}
	head, _, err := readFrame(socket, kindSetup, 0, nil)
	if err != nil {
		return fmt.Errorf("it is started by tintype itself, not by hand: %w", err)
	}
	var s setup
	if err := json.Unmarshal(head, &s); err != nil {
		return fmt.Errorf("read set-up: %w", err)
	}
	h := hello{}
	process, err := prepare(s, &h)
	if err != nil {
		h.Error = err.Error()
	}
	if head, err = json.Marshal(h); err != nil {
		return err
	}
	if err := writeFrame(socket, kindHello, head); err != nil || h.Error != "" {
		return err
	}
	return serve(socket, s.Limits, process)
}

// prepare starts the engine and then confines the process, in this order: libvips loads
// its modules when it starts.
func prepare(s setup, h *hello) (processor, error) {
	if err := harden(); err != nil {
		return nil, err
	}
	engine, err := imaging.New(imaging.Options{Limits: s.Limits, Documents: s.Documents,
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))})
	if err != nil {
		return nil, err
	}
	h.Libvips = engine.Version()
	if s.Memory > 0 {
		if err := limitMemory(s.Memory); err != nil {
			h.Lacks = append(h.Lacks, err.Error())
		}
	}
	if err := filterCalls(s.ReadFiles); err != nil {
		h.Lacks = append(h.Lacks, err.Error())
	} else {
		h.Seccomp = true
	}
	process := processor(engine.Process)
	if wrap != nil {
		process = wrap(process)
	}
	return process, nil
}

// serve answers requests, one after another, until the other side closes.
func serve(socket io.ReadWriter, limits imaging.Limits, process processor) error {
	requests := &idling{socket: socket}
	for {
		// Assets come with a request besides the source; each is held to the same limit.
		head, body, err := requests.next(maxRequest(limits))
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		id, req, err := decodeRequest(head, body)
		if err != nil {
			return err
		}
		pic, failure := process(context.Background(), req)
		head, parts, err := encodeAnswer(id, pic, failure)
		if err != nil {
			return err
		}
		if err := writeFrame(socket, kindAnswer, head, parts...); err != nil {
			return err
		}
		requests.keep(body)
	}
}

// keepRoom is the largest room for bodies that a child keeps, bytes: that of a photograph.
const keepRoom = 16 << 20

// maxAssets is how many pictures a request may bring besides its source.
const maxAssets = 16

// maxRequest bounds the body of a request, bytes. A source over the limit is not refused
// here but by the engine, in its words.
func maxRequest(l imaging.Limits) int64 { return (l.Bytes + 1) * (maxAssets + 1) }
