package main

import "math"

// scaler is autoscaling by target tracking on the backlog per worker, with its lags: the
// figure comes once a period, is believed after some periods, and a host takes a while
// from its start to its first message.
type scaler struct {
	Period   float64 // seconds between figures
	Again    int     // periods between two steps down
	Part     float64 // of the hosts that serve, in one step down
	Out, In  int     // periods above, or below, the target before anything happens
	Start    float64 // seconds from the decision to the first receive
	Target   float64 // messages that wait, for each worker
	Min, Max int     // hosts

	above, below int
}

// decide is one look at the figure.
func (s *state) decide() {
	c := s.scaler
	serving := s.serving()
	figure := float64(s.queue.len()) / float64(max(serving*s.workers, 1))
	switch {
	case figure > c.Target:
		c.above, c.below = c.above+1, 0
	case figure < 0.9*c.Target:
		c.above, c.below = 0, c.below+1
	default:
		c.above, c.below = 0, 0
	}
	if c.above >= c.Out {
		want := min(int(math.Ceil(float64(max(serving, 1))*figure/c.Target)), c.Max)
		for range want - serving - s.booting {
			s.addHost(s.now + c.Start)
		}
	}
	if c.below >= c.In && serving > c.Min && s.booting == 0 {
		for range min(max(int(float64(serving)*c.Part), 1), serving-c.Min) {
			s.retire()
		}
		c.below = c.In - c.Again
	}
}

// retire lets the newest host that serves take nothing more.
func (s *state) retire() {
	for i := len(s.hosts) - 1; i >= 0; i-- {
		h := &s.hosts[i]
		if !h.alive {
			continue
		}
		h.alive = false
		if h.parked { // its long poll is cut off
			for k, p := range s.parked {
				if p == int32(i) {
					s.parked[k] = s.parked[len(s.parked)-1]
					s.parked = s.parked[:len(s.parked)-1]
					break
				}
			}
			h.parked, h.polling = false, false
		}
		s.end(int32(i))
		return
	}
}
