package backlog

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// ScrapeAge is how old figures may be that are scraped: SQS is asked no more often, however
// many scrape.
const ScrapeAge = 15 * time.Second

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

var (
	known      = desc("tintype_queue_figures", "1 where SQS told the queue's figures; 0: it could not be asked, and they are left out.")
	visible    = desc("tintype_queue_messages_visible", "Messages that wait in the work queue (ApproximateNumberOfMessages).")
	notVisible = desc("tintype_queue_messages_not_visible", "Messages received and not deleted yet (ApproximateNumberOfMessagesNotVisible).")
	delayed    = desc("tintype_queue_messages_delayed", "Messages that may not be received yet (ApproximateNumberOfMessagesDelayed).")
	dead       = desc("tintype_queue_dead_letters", "Messages in the dead-letter queue.")
	oldest     = desc("tintype_queue_oldest_message_age_seconds", "Estimated age of the oldest message that waits; absent where nobody knows.")
	perWorker  = desc("tintype_backlog_per_worker", "Messages that wait, for each worker of all living app processes; for one, where there is none.")
	workers    = desc("tintype_workers", "Workers of all app processes that live and take work.")
	processes  = desc("tintype_app_processes", "App processes that have said they are there, by state; a stale one is most likely dead.", "state")
)

// Describe tells what Collect may.
func (m *Meter) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{known, visible, notVisible, delayed, dead, oldest, perWorker, workers, processes} {
		ch <- d
	}
}

// Collect samples and tells the figures, those of them that are known.
func (m *Meter) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), sampleTimeout)
	defer cancel()
	tell := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	f, err := m.Sample(ctx, ScrapeAge)
	if err != nil {
		tell(known, 0)
		return
	}
	tell(known, 1)
	tell(visible, float64(f.Waiting))
	tell(notVisible, float64(f.InFlight))
	tell(delayed, float64(f.Delayed))
	tell(dead, float64(f.DeadLetters))
	if f.OldestAge != nil {
		tell(oldest, *f.OldestAge)
	}
	if f.PerWorker != nil {
		tell(perWorker, *f.PerWorker)
	}
	if f.Workers == nil {
		return
	}
	tell(workers, float64(*f.Workers))
	live, draining, stale := 0, 0, 0
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
	tell(processes, float64(live), "live")
	tell(processes, float64(draining), "draining")
	tell(processes, float64(stale), "stale")
}
