package queue

import "github.com/prometheus/client_golang/prometheus"

// Register has the engine's Stats told.
func (e *Engine) Register(r prometheus.Registerer) {
	count := func(name, help string, value func(Stats) int64) {
		r.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, func() float64 { return float64(value(e.Stats())) }))
	}
	gauge := func(name, help string, value func(Stats) float64) {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return value(e.Stats()) }))
	}
	count("tintype_messages_received_total", "Messages received from the queue.", func(s Stats) int64 { return s.Received })
	count("tintype_messages_deleted_total", "Messages deleted after their work was done.", func(s Stats) int64 { return s.Acked })
	count("tintype_messages_retried_total", "Messages that come back later.", func(s Stats) int64 { return s.Retried })
	count("tintype_messages_released_total", "Messages given back while draining.", func(s Stats) int64 { return s.Released })
	count("tintype_leases_lost_total", "Leases lost while work went on.", func(s Stats) int64 { return s.LostLeases })
	count("tintype_receive_errors_total", "Polls that failed.", func(s Stats) int64 { return s.ReceiveErrors })
	count("tintype_delete_errors_total", "Messages that a delete request failed for; they are tried again.", func(s Stats) int64 { return s.DeleteErrors })
	count("tintype_overloads_total", "Times that tintype_slots_allowed was halved.", func(s Stats) int64 { return s.Overloads })
	count("tintype_outage_tries_total", "Tries that found a service down; their messages stayed in hand.", func(s Stats) int64 { return s.Holds })
	count("tintype_handler_panics_total", "Messages whose handler panicked; they go back.", func(s Stats) int64 { return s.Panics })
	gauge("tintype_messages_in_flight", "Messages with a handler at work.", func(s Stats) float64 { return float64(s.InFlight) })
	gauge("tintype_messages_waiting", "Messages in hand that wait: for their turn, or for a service that is down.", func(s Stats) float64 { return float64(s.Waiting) })
	gauge("tintype_messages_held", "Messages whose lease is held.", func(s Stats) float64 { return float64(s.Held) })
	gauge("tintype_slots", "Messages that may be handled at once where nothing is overloaded.", func(s Stats) float64 { return float64(s.Slots) })
	gauge("tintype_slots_allowed", "Messages that may be handled at once now: fewer after overload.", func(s Stats) float64 { return float64(s.Limit) })
	gauge("tintype_received_message_age_seconds", "How old the oldest message of the last few receives was when it came; 0 once a poll has found nothing.",
		func(s Stats) float64 { return s.OldestAge.Seconds() })
}
