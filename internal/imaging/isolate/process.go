package isolate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// process is a child as its parent sees it. One goroutine at a time uses it.
type process struct {
	proc   *os.Process
	pid    int
	socket *os.File
	hello  hello
	images int // done
	said   *listener

	killed atomic.Bool   // by us
	exited chan struct{} // closed once it has ended and is reaped
	state  *os.ProcessState
}

// startTime is how long a child may take until it is ready. It bounds a failure: a busy
// machine takes a second.
const startTime = 60 * time.Second

// start starts a child and waits until it is ready.
func (p *Pool) start() (*process, error) {
	pair, err := socketPair()
	if err != nil {
		return nil, fmt.Errorf("start imaging process: %w", err)
	}
	c := &process{socket: pair[0], exited: make(chan struct{})}
	said, err := c.spawn(p.spawner, pair[1])
	if err != nil {
		c.socket.Close()
		return nil, err
	}
	c.said = listen(said, p.log.With("pid", c.pid))
	go c.wait()
	if err := c.greet(setup{Limits: p.opts.Limits, Documents: p.opts.Documents, Memory: max(0, p.opts.Memory), ReadFiles: p.spawner.status.Landlock > 0}); err != nil {
		c.end()
		return nil, fmt.Errorf("start imaging process: %w; it ended with %s and said %q", err, c.ending(), c.said.String())
	}
	p.census.born(c)
	return c, nil
}

// spawn starts the program and returns what it will write to standard error. The child's
// end of the socket must not stay open here, or its death would not show as an end.
func (c *process) spawn(s *spawner, theirs *os.File) (said *os.File, err error) {
	defer theirs.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("start imaging process: %w", err)
	}
	defer null.Close()
	said, in, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start imaging process: %w", err)
	}
	defer in.Close()
	if c.proc, err = s.start(environment(), []*os.File{null, null, in, theirs}); err != nil {
		said.Close()
		return nil, err
	}
	c.pid = c.proc.Pid
	return said, nil
}

// greet tells the child its limits and hears whether it is ready.
func (c *process) greet(s setup) error {
	if err := c.socket.SetDeadline(time.Now().Add(startTime)); err != nil {
		return err
	}
	head, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := writeFrame(c.socket, kindSetup, head); err != nil {
		return err
	}
	head, body, err := readFrame(c.socket, kindHello, 0, nil)
	if err != nil {
		return fmt.Errorf("no hello: %w", err)
	}
	if c.hello, err = decodeHello(head, body); err != nil {
		return err
	}
	if c.hello.Error != "" {
		return errors.New(c.hello.Error)
	}
	return c.socket.SetDeadline(time.Time{})
}

// run has one image done. Where it fails the child has ended.
func (c *process) run(ctx context.Context, job call, o Options) (answer, *failure) {
	done, verdict := make(chan struct{}), make(chan *failure, 1)
	go func() { verdict <- c.guard(ctx, done, o) }()
	a, err := c.exchange(job, o)
	close(done)
	bad := <-verdict
	switch {
	case bad != nil: // it was killed, and if it answered at the same moment, it is too late
	case errors.Is(err, errProtocol):
		c.end()
		bad = judge(c, err)
	case err != nil:
		c.settle()
		bad = judge(c, err)
	case a.memory:
		bad = &failure{why: outOfMemory, err: a.failed}
	default:
		return a, nil
	}
	c.end()
	if bad.said == "" {
		bad.said = c.said.String()
	}
	return answer{}, bad
}

// exchange sends the request and reads the answer. It ends when the child does.
func (c *process) exchange(job call, o Options) (answer, error) {
	if err := writeFrame(c.socket, kindRequest, job.head, job.body...); err != nil {
		return answer{}, err
	}
	most := int64(maxAnswer)
	if o.Memory > 0 {
		most = min(most, o.Memory) // they were in the child's memory
	}
	// Fresh memory for outputs would cost as much as reading them.
	room := answers.Get().(*[]byte)
	head, body, err := readFrame(c.socket, kindAnswer, most, *room)
	if err != nil {
		return answer{}, err
	}
	a, err := decodeAnswer(head, body, job.id, job.req.Job, o.Limits)
	if err == nil && a.pic != nil && cap(body) <= keepRoom {
		*room = body
		a.pic.Release = func() { answers.Put(room) }
	}
	return a, err
}

// answers are rooms for outputs whose pictures are done.
var answers = sync.Pool{New: func() any { return new([]byte) }}

// look is how often a child at work is measured.
const look = 50 * time.Millisecond

// guard watches a child at work and kills it when ctx ends or a limit is passed. It
// returns when done is closed or the child is killed; nil: it was not.
func (c *process) guard(ctx context.Context, done <-chan struct{}, o Options) *failure {
	deadline := time.NewTimer(o.Timeout)
	defer deadline.Stop()
	tick := time.NewTicker(look)
	defer tick.Stop()
	use := newUsage(c.pid)
	defer use.close()
	for {
		var bad *failure
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			bad = &failure{why: cancelled, err: context.Cause(ctx)}
		case <-deadline.C:
			bad = &failure{why: timedOut, err: fmt.Errorf("no answer within %v", o.Timeout)}
		case <-tick.C:
			// Decoders have threads of their own: an image may use two cores all the time.
			if cpu := use.processor(); cpu > 2*o.Timeout {
				bad = &failure{why: timedOut, err: fmt.Errorf("%v of processor time were used", cpu.Round(time.Millisecond))}
			} else if held := use.memory(); o.Memory > 0 && held > o.Memory {
				bad = &failure{why: outOfMemory, err: fmt.Errorf("%d MB of memory were used", held>>20)}
			}
		}
		if bad != nil {
			c.kill()
			return bad
		}
	}
}

// wait reaps the child.
func (c *process) wait() {
	c.state, _ = c.proc.Wait()
	close(c.exited)
	c.said.stop()
}

// gone says whether the child has ended, or can be heard to have said what nobody asked.
func (c *process) gone() bool {
	select {
	case <-c.exited:
		return true
	default:
	}
	raw, err := c.socket.SyscallConn()
	if err != nil {
		return true
	}
	ready := false
	err = raw.Control(func(fd uintptr) {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, _ := unix.Poll(fds, 0)
		ready = n > 0 // bytes, or the other end closed
	})
	return err != nil || ready
}

// ending says how the child ended, for a log.
func (c *process) ending() string {
	select {
	case <-c.exited:
		return c.state.String()
	default:
		return "nothing: it is still there"
	}
}

// kill ends the child at once; kill -9 cannot be held up.
func (c *process) kill() {
	c.killed.Store(true)
	if !c.hello.Seccomp {
		_ = syscall.Kill(-c.pid, syscall.SIGKILL) // where it could have started others: its whole group
	}
	_ = c.proc.Kill()
}

// end kills the child if it is still there, and waits until nothing is left of it.
func (c *process) end() {
	select {
	case <-c.exited:
	default:
		c.kill()
		<-c.exited
	}
	c.socket.Close()
	<-c.said.stopped
}

// settleTime is how long a child that has closed its socket may take to end.
const settleTime = time.Second

// settle waits until a child has ended that seems to be doing so, to see how.
func (c *process) settle() {
	t := time.NewTimer(settleTime)
	defer t.Stop()
	select {
	case <-c.exited:
	case <-t.C:
	}
	c.end()
}
