package isolate

import (
	"bufio"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"
)

const (
	maxLine  = 512 // bytes of a line of standard error that are kept
	maxLines = 200 // lines of one child that are logged; beyond that it is broken or hostile
	tailSize = 600 // bytes of what is kept for the log of a failure
)

// listener takes what a child writes to standard error: to the log at level debug, and
// the last of it for whoever asks why the child has ended.
type listener struct {
	out     *os.File
	stopped chan struct{} // closed once nothing is read any more

	mu   sync.Mutex
	tail string
}

func listen(out *os.File, log *slog.Logger) *listener {
	l := &listener{out: out, stopped: make(chan struct{})}
	go l.read(log)
	return l
}

func (l *listener) read(log *slog.Logger) {
	defer close(l.stopped)
	defer l.out.Close()
	r := bufio.NewReaderSize(l.out, maxLine)
	for n := 0; ; {
		line, rest, err := r.ReadLine()
		if err != nil {
			return
		}
		text := printable(strings.TrimSpace(string(line)))
		if text == "" {
			continue
		}
		if n++; n <= maxLines {
			log.Debug("an imaging process says", "text", text)
		}
		l.keep(text)
		for rest && err == nil { // the rest of a long line is dropped
			_, rest, err = r.ReadLine()
		}
	}
}

// keep keeps the first half of the room for how it began: a crash says first what it is.
func (l *listener) keep(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tail == "" {
		l.tail = text
	} else {
		l.tail += " | " + text
	}
	if over := len(l.tail) - tailSize; over > 0 {
		l.tail = strings.ToValidUTF8(l.tail[:tailSize/2]+"…"+l.tail[tailSize/2+over:], "")
	}
}

func (l *listener) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tail
}

// stop ends the reading once the child has ended and what it had written is read. Somebody
// else may hold the pipe open, where a child could start others.
func (l *listener) stop() { _ = l.out.SetReadDeadline(time.Now().Add(200 * time.Millisecond)) }
