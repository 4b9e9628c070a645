package isolate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/imaging"
)

// Options set up a Pool.
type Options struct {
	// Workers is the number of children, each of which has one image at a time. Default:
	// the number of cores.
	Workers int
	// Limits are what children hold files to. Zero fields: the defaults.
	Limits imaging.Limits
	// Documents are further formats that are accepted; see imaging.Options.
	Documents []string
	// Timeout is the longest that one attempt at an image may take. Default: 60 s.
	Timeout time.Duration
	// Memory is the most that a child may hold while it works on an image, bytes, its own
	// 60 MB included. Default: DefaultMemory. Negative: no limit.
	Memory int64
	// Images is after how many images a child is replaced. Default: DefaultImages.
	// Negative: never.
	Images int
	Logger *slog.Logger // nil: nowhere
}

const (
	// DefaultTimeout is Options.Timeout's default.
	DefaultTimeout = 60 * time.Second
	// DefaultMemory is Options.Memory's default: what the largest image takes that the
	// default limits let in, in the format that takes most, 2.5 GB, and some (docs/adr/0019).
	DefaultMemory = 3 << 30
	// DefaultImages is Options.Images's default. A child that an image has taken over answers
	// for the images after it; this bounds for how many. A new child costs 50 ms of
	// processor time, so for each of a hundred photographs two thousandths.
	DefaultImages = 100
)

func (o *Options) fill() error {
	var err error
	if o.Limits, err = o.Limits.Filled(); err != nil {
		return err
	}
	switch {
	case o.Workers < 0 || o.Timeout < 0:
		return errors.New("isolate: a negative number of workers or a negative timeout")
	case o.Memory > 0 && o.Memory < minMemory:
		return fmt.Errorf("isolate: %d bytes of memory for an image: at least %d, as a child needs a part for itself", o.Memory, minMemory)
	}
	if o.Workers == 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Memory == 0 {
		o.Memory = DefaultMemory
	}
	if o.Images == 0 {
		o.Images = DefaultImages
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

// minMemory is the least Options.Memory, bytes.
const minMemory = 128 << 20

// maxAnswer bounds the outputs of one image, bytes.
const maxAnswer = 1 << 30

// Pool processes images in children. It may be used from several goroutines.
type Pool struct {
	opts    Options
	log     *slog.Logger
	spawner *spawner
	version string
	status  Status
	next    atomic.Uint64 // ids of requests
	census  *census

	// slots has one element for each child; whoever has taken it owns it.
	slots chan *slot

	resting *time.Timer // fires when nothing has been done for a while

	mu     sync.Mutex
	closed bool
	busy   sync.WaitGroup // calls of Process, and replacing
}

// slot is the place of one child.
type slot struct{ child *process } // nil: none runs

// New starts the children and returns when all are ready. The program must have called
// Main.
func New(o Options) (*Pool, error) {
	if err := o.fill(); err != nil {
		return nil, err
	}
	if !hooked.Load() {
		return nil, errors.New("isolate: this program does not call isolate.Main: its children would run the whole program again")
	}
	p := &Pool{opts: o, log: o.Logger, spawner: newSpawner(), census: newCensus(), slots: make(chan *slot, o.Workers)}
	var g errgroup.Group
	all := make([]*slot, o.Workers)
	for i := range all {
		all[i] = &slot{}
		g.Go(func() (err error) {
			all[i].child, err = p.start()
			return err
		})
	}
	err := g.Wait()
	for _, s := range all {
		p.slots <- s
	}
	if err != nil {
		p.Close()
		return nil, err
	}
	p.resting = time.AfterFunc(restAfter, func() {
		if len(p.slots) == cap(p.slots) {
			rest()
		}
	})
	p.learn(all[0].child.hello)
	p.log.Info("images are processed in child processes", "processes", o.Workers, "confinement", p.status.String())
	for _, what := range p.status.Lacks {
		p.log.Warn("imaging processes are confined less than they could be", "lacking", what)
	}
	return p, nil
}

// learn takes from a child's hello what holds for all.
func (p *Pool) learn(h hello) {
	p.version, p.status = h.Libvips, p.spawner.status
	p.status.Seccomp = h.Seccomp
	p.status.Memory = canMeasure && p.opts.Memory > 0
	p.status.Lacks = append(p.status.Lacks, h.Lacks...)
}

// Version is the version of libvips: "8.14.1".
func (p *Pool) Version() string { return p.version }

// Confinement is what confines the children.
func (p *Pool) Confinement() Status { return p.status }

// Close waits for the images in work, refuses further ones, and ends the children.
func (p *Pool) Close() {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return
	}
	p.closed = true
	p.mu.Unlock()
	p.busy.Wait()
	if p.resting != nil { // nil: it never started
		p.resting.Stop()
	}
	for range p.opts.Workers {
		if s := <-p.slots; s.child != nil {
			s.child.end()
		}
	}
	p.spawner.close()
}

func (p *Pool) enter() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.busy.Add(1)
	return true
}

// Process makes the outputs of a job as imaging.Engine does, in a child. An image over
// which a child crashes, or which takes too much time or memory, is given to a fresh child
// once more, and if that ends alike it is a permanent fault of the image. Where ctx ends,
// the child is killed at once, and the error is ctx's cause.
func (p *Pool) Process(ctx context.Context, req imaging.Request) (*imaging.Picture, error) {
	if !p.enter() {
		return nil, &fault.Error{Op: "process image", Kind: fault.Retry, Code: fault.CodeUnavailable,
			Message: "The program is being stopped.", Err: errors.New("the imaging processes are closed")}
	}
	defer p.busy.Done()
	if cause := context.Cause(ctx); cause != nil {
		return nil, fmt.Errorf("process image: %w", cause)
	}
	// All children idle: this picture has the machine for itself, as far as we know.
	req.Spare = req.Spare || !req.Crowded && len(p.slots) == cap(p.slots) && runtime.GOMAXPROCS(0) > 1
	call, err := p.prepare(req)
	if err != nil {
		return nil, err
	}
	var s *slot
	select {
	case s = <-p.slots:
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for an imaging process: %w", context.Cause(ctx))
	}
	pic, err := p.attempts(ctx, s, call)
	p.giveBack(s)
	p.resting.Reset(restAfter)
	return pic, err
}

// call is a request ready to be sent, as often as need be.
type call struct {
	id   uint64
	head []byte
	body [][]byte
	req  imaging.Request
}

func (p *Pool) prepare(req imaging.Request) (call, error) {
	if err := p.opts.Limits.CheckBytes(int64(len(req.Source))); err != nil {
		return call{}, err
	}
	c := call{id: p.next.Add(1), req: req}
	var err error
	if c.head, c.body, err = encodeRequest(c.id, req); err != nil {
		return call{}, ours("encode request", err)
	}
	total := int64(0)
	for _, b := range c.body {
		total += int64(len(b))
	}
	if len(c.head) > maxHead || total > maxRequest(p.opts.Limits) {
		return call{}, ours("encode request", fmt.Errorf("%d bytes of job and %d of pictures are too many", len(c.head), total))
	}
	return c, nil
}

// attempts tries twice. The second child is a fresh one: what the first may have been
// left with by the images before cannot be to blame.
func (p *Pool) attempts(ctx context.Context, s *slot, c call) (*imaging.Picture, error) {
	for attempt := 1; ; attempt++ {
		if s.child != nil && s.child.gone() {
			p.log.Warn("an imaging process ended while it had nothing to do", "pid", s.child.pid, "end", s.child.ending())
			p.drop(s, endIdle)
		}
		if s.child == nil {
			child, err := p.start()
			if err != nil {
				p.log.Warn("an imaging process did not start; once more", "error", err)
				child, err = p.start()
			}
			if err != nil {
				return nil, &fault.Error{Op: "process image", Kind: fault.Retry, Code: fault.CodeUnavailable,
					Message: "The image cannot be processed at the moment.", Hint: "see why tintype cannot start a process of itself: memory, the number of processes, or its file being gone", Err: err}
			}
			s.child = child
		}
		a, bad := s.child.run(ctx, c, p.opts)
		if bad == nil {
			s.child.images++
			if a.failed != nil {
				return nil, a.failed
			}
			a.pic.PID = s.child.pid
			return a.pic, nil
		}
		pid := s.child.pid
		p.drop(s, bad.why.label())
		if cause := context.Cause(ctx); bad.why == cancelled || cause != nil {
			return nil, fmt.Errorf("process image: %w", cause)
		}
		p.log.Warn("an imaging process failed over an image", "attempt", attempt, "pid", pid, "code", bad.why.code(), "error", bad.err,
			"bytes", len(c.req.Source), "stderr", bad.said)
		if attempt == 2 {
			return nil, bad.fault(p.opts)
		}
	}
}

// giveBack returns a slot, with a new child where there is none or where it has done its
// share.
func (p *Pool) giveBack(s *slot) {
	if s.child != nil && p.opts.Images > 0 && s.child.images >= p.opts.Images {
		p.log.Debug("an imaging process has done its share", "pid", s.child.pid, "images", s.child.images)
		p.drop(s, endRetired)
	}
	if s.child != nil {
		p.slots <- s
		return
	}
	p.busy.Go(func() { // the caller is counted, so that Close is still waiting
		p.mu.Lock()
		closed := p.closed
		p.mu.Unlock()
		if !closed {
			child, err := p.start()
			if err != nil {
				// The next image tries again, and fails with what is wrong then.
				p.log.Error("an imaging process cannot be started", "error", err)
			}
			s.child = child
		}
		p.slots <- s
	})
}

// drop ends a child; why is for metrics.
func (p *Pool) drop(s *slot, why string) {
	s.child.end()
	p.census.died(s.child, why)
	s.child = nil
}

func ours(op string, err error) error {
	return &fault.Error{Op: op, Kind: fault.Bug, Code: fault.CodeInternal, Message: "The image could not be processed because of an error of ours.", Err: err}
}
