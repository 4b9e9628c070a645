// Package imaging makes the outputs of a job from the bytes of an image.
//
// It holds files to limits before anything is decoded, turns what it decodes upright
// and into 8-bit sRGB, drops all metadata but what is to be kept, does the steps in their
// order, sizes and encodes. It works in memory: bytes in, bytes out. All that can be wrong
// with a file ends in a permanent *fault.Error with a code and words for the person whose
// image it is.
//
// Two engines make the outputs: libvips can do all that a recipe may ask for, the fused one
// the commonest of it in a third of the time; engine.go chooses.
//
// What each step does to the pixels is written in docs/imaging.md. Of ours the package
// imports internal/fault, internal/recipe and its own sub-packages: vips and fused are the
// only cgo, the others are pure Go.
package imaging

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/imaging/vips"
	"github.com/tintype/tintype/internal/recipe"
)

// Options set up an Engine.
type Options struct {
	Limits Limits // zero fields: the defaults
	// Concurrency is the number of threads for one image, 1 where it is 0. For throughput,
	// several images at once beat several threads for one.
	Concurrency int
	// Documents are further formats that are accepted: "svg", "pdf" (its first page). They
	// are programs of a kind, drawn by libraries that libvips counts as unsafe for untrusted
	// bytes: only for an engine that is confined.
	Documents []string
	// LibvipsOnly leaves the fused engine out, to compare the two.
	LibvipsOnly bool
	Logger      *slog.Logger // what libvips has to say; nil: nowhere
}

// Engine processes images. It may be used from several goroutines; each call of
// Process works on one core, and the caller decides how many there are.
type Engine struct {
	limits      Limits
	parallel    bool // one image on two threads
	libvipsOnly bool
	documents   []string

	mu     sync.Mutex
	closed bool
	busy   sync.WaitGroup
}

// New makes an engine ready. It fails where libvips does not start or its loaders for
// untrusted formats cannot be shown to be blocked. libvips is set up once per process:
// Concurrency, Documents and Logger of the first engine hold for all.
func New(o Options) (*Engine, error) {
	if err := o.Limits.fill(); err != nil {
		return nil, err
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if err := vips.Startup(o.Concurrency, o.Documents, o.Logger); err != nil {
		return nil, err
	}
	return &Engine{limits: o.Limits, parallel: o.Concurrency > 1, libvipsOnly: o.LibvipsOnly, documents: o.Documents}, nil
}

// Close waits for the images in work and refuses further ones. libvips itself stays:
// it cannot be started a second time in a process.
func (e *Engine) Close() {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.busy.Wait()
}

// Version is the version of libvips: "8.14.1".
func (e *Engine) Version() string { return vips.Version() }

// Trim gives memory back to the system that images have left behind and that libraries keep for
// the next one.
func Trim() { vips.Trim(0) }

// Picture is what a job made of an image.
type Picture struct {
	Source  Info
	Outputs []Encoded // in the order of the job
	Engine  string    // what made them: EngineFused or EngineLibvips
	PID     int       // of the process that did, where it was one of its own
	// Release, where set, takes back the memory of the outputs' bytes; see Done.
	Release func()
}

// Done says that nobody will read the outputs' bytes any more, so that their memory can serve
// another picture. It need not be called. Afterwards the bytes are nil here.
func (p *Picture) Done() {
	for i := range p.Outputs {
		p.Outputs[i].Bytes = nil
	}
	if p.Release != nil {
		p.Release()
		p.Release = nil
	}
}

// The engines.
const (
	EngineFused   = "fused"
	EngineLibvips = "libvips"
)

// Info is what an image was.
type Info struct {
	Width  int    // pixels, after orientation
	Height int    // pixels, after orientation; of one frame
	Format string // as in the package sniff: "jpeg", "png", "gif", "webp", "tiff", "heif", "avif"
}

// Encoded is one output, ready to be stored.
type Encoded struct {
	Name          string // as in the recipe
	Format        string // "jpeg", "png", "webp", "avif", "gif", "tiff"
	ContentType   string
	Ext           string // of a file name, without dot: "jpg"
	Width         int    // pixels
	Height        int    // pixels, of one frame
	Bytes         []byte
	Quality       int    // with which it was written, 1 to 100; 0 where the format has none
	OverTarget    bool   // it is larger than the target: even the lowest quality was
	ThumbHash     string // base64 of a ThumbHash, of the first frame
	DominantColor string // "#rrggbb", of the first frame
}

// Request is an image and what is to be made of it.
type Request struct {
	Source []byte // the file
	Job    *recipe.Job
	Assets map[string][]byte // files by key: all that Job.Assets names
	// Spare says that a second core has nothing else to do: the picture may be made on two
	// threads, which is sooner and costs more.
	Spare bool
	// Crowded says the opposite, that further images wait for cores or soon will: whoever
	// would find one spare by itself must not.
	Crowded bool
}

// Process makes the outputs of a job from the bytes of an image. Where the file is at
// fault, the error is a permanent *fault.Error; where ctx ends, it is ctx's cause.
// Decoding and resizing stop soon after ctx ends, encoding goes on to its end.
// The bytes must not change meanwhile.
func (e *Engine) Process(ctx context.Context, req Request) (*Picture, error) {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil, &fault.Error{Op: "process image", Kind: fault.Retry, Code: fault.CodeUnavailable,
			Message: "The program is being stopped.", Err: errors.New("imaging engine is closed")}
	}
	e.busy.Add(1)
	e.mu.Unlock()
	defer e.busy.Done()

	p, err := e.process(ctx, req)
	vips.Trim(vips.KeepFree)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return nil, fmt.Errorf("process image: %w", cause)
		}
		return nil, err
	}
	return p, nil
}

func (e *Engine) process(ctx context.Context, req Request) (*Picture, error) {
	in, err := e.inspect(req.Source)
	if err != nil {
		return nil, err
	}
	plan, err := e.newPlan(in, req)
	if err != nil {
		return nil, err
	}
	outs, engine, err := e.outputs(ctx, plan, req)
	if err != nil {
		return nil, err
	}
	return &Picture{Source: in.info(), Outputs: outs, Engine: engine}, nil
}

// bug wraps what should not happen with a sound image and a checked recipe.
func bug(op string, err error) error {
	return &fault.Error{Op: op, Kind: fault.Bug, Code: fault.CodeInternal,
		Message: "The image could not be processed because of an error of ours.", Err: err}
}
