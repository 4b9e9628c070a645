package sqs

import "sync"

// TrafficSeconds is how far back the traffic of a queue is remembered.
const TrafficSeconds = 60

// traffic counts what passed through a queue, second by second, for who looks at the
// console. It is memory alone and begins anew with each start; nothing depends on it.
type traffic struct {
	in, received, out meter
}

// meter counts events of the last TrafficSeconds. Adding costs a lock that is hardly
// ever contended: all who add are on the writer's goroutine.
type meter struct {
	mu    sync.Mutex
	slots [TrafficSeconds + 1]slot // the second that is under way, and whole ones
	total int64
}

type slot struct{ second, n int64 }

// add counts n events at a time in Unix milliseconds.
func (m *meter) add(at int64, n int) {
	if n <= 0 {
		return
	}
	second := at / 1000
	m.mu.Lock()
	defer m.mu.Unlock()
	m.total += int64(n)
	s := &m.slots[second%int64(len(m.slots))]
	if s.second != second {
		*s = slot{second: second}
	}
	s.n += int64(n)
}

// read returns the events of each of the last TrafficSeconds whole seconds, oldest
// first, and of all time.
func (m *meter) read(now int64) (perSecond []int64, total int64) {
	perSecond = make([]int64, TrafficSeconds)
	last := now/1000 - 1
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.slots {
		if age := last - s.second; age >= 0 && age < TrafficSeconds {
			perSecond[TrafficSeconds-1-age] = s.n
		}
	}
	return perSecond, m.total
}
