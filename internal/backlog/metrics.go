package backlog

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"
)

// ScrapeAge is how old figures may be that are scraped: SQS is asked no more often, however
// many scrape.
const ScrapeAge = 15 * time.Second

// WriteMetrics samples and writes the figures in Prometheus's text format, those of them that
// are known. https://prometheus.io/docs/instrumenting/exposition_formats/
func (m *Meter) WriteMetrics(ctx context.Context, w io.Writer) {
	f, err := m.Sample(ctx, ScrapeAge)
	known := 1.0
	if err != nil {
		known = 0
	}
	gauge(w, "tintype_queue_figures", "1 where SQS told the queue's figures; 0: it could not be asked, and they are left out.", &known)
	if err != nil {
		return
	}
	count := func(n int64) *float64 { v := float64(n); return &v }
	gauge(w, "tintype_queue_messages_visible", "Messages that wait in the work queue (ApproximateNumberOfMessages).", count(f.Waiting))
	gauge(w, "tintype_queue_messages_not_visible", "Messages received and not deleted yet (ApproximateNumberOfMessagesNotVisible).", count(f.InFlight))
	gauge(w, "tintype_queue_messages_delayed", "Messages that may not be received yet (ApproximateNumberOfMessagesDelayed).", count(f.Delayed))
	gauge(w, "tintype_queue_dead_letters", "Messages in the dead-letter queue.", count(f.DeadLetters))
	gauge(w, "tintype_queue_oldest_message_age_seconds", "Estimated age of the oldest message that waits; absent where nobody knows.", f.OldestAge)
	gauge(w, "tintype_backlog_per_worker", "Messages that wait, for each worker of all living app processes; for one, where there is none.", f.PerWorker)
	if f.Workers == nil {
		return
	}
	gauge(w, "tintype_workers", "Workers of all app processes that live and take work.", count(int64(*f.Workers)))
	live, draining, stale := int64(0), int64(0), int64(0)
	for _, a := range f.Apps {
		switch {
		case a.Stale:
			stale++
		case a.Draining:
			draining++
		default:
			live++
		}
	}
	fmt.Fprintf(w, "# HELP tintype_app_processes App processes that have said they are there, by state; a stale one is most likely dead.\n# TYPE tintype_app_processes gauge\n"+
		"tintype_app_processes{state=\"live\"} %d\ntintype_app_processes{state=\"draining\"} %d\ntintype_app_processes{state=\"stale\"} %d\n", live, draining, stale)
}

// gauge writes one figure, if it is known.
func gauge(w io.Writer, name, help string, v *float64) {
	if v != nil {
		fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s gauge\n%s %s\n", name, help, name, name, strconv.FormatFloat(*v, 'g', -1, 64))
	}
}
