package sns

import (
	"math"
	"time"
)

// pause is how long to wait before retry n, counted from 0, of a policy that has all
// its members. Retries come in four phases: at once, at the smallest delay, growing
// from the smallest to the largest, at the largest.
func (r *retryPolicy) pause(n int) time.Duration {
	low, high := float64(*r.MinDelayTarget), float64(*r.MaxDelayTarget)
	growing := *r.NumRetries - *r.NumNoDelayRetries - *r.NumMinDelayRetries - *r.NumMaxDelayRetries
	seconds := high
	switch n -= *r.NumNoDelayRetries; {
	case n < 0:
		return 0
	case n < *r.NumMinDelayRetries:
		seconds = low
	case n-*r.NumMinDelayRetries < growing:
		seconds = grow(*r.BackoffFunction, n-*r.NumMinDelayRetries, growing, low, high)
	}
	return time.Duration(seconds * float64(time.Second))
}

// grow is the i-th of n delays from low to high. AWS publishes the functions' names and
// a drawing of them; the formulas are the ones of those names.
func grow(function string, i, n int, low, high float64) float64 {
	if n <= 1 || high <= low {
		return low
	}
	x, last := float64(i), float64(n-1)
	switch function {
	case "arithmetic": // steps that grow by the same amount each
		return low + (high-low)*x*(x+1)/(last*(last+1))
	case "geometric": // each delay the same multiple of the one before
		return low * math.Pow(high/low, x/last)
	case "exponential": // steps that double
		return low + (high-low)*(math.Exp2(x)-1)/(math.Exp2(last)-1)
	default: // linear: steps of the same size
		return low + (high-low)*x/last
	}
}

// deliveryPolicy is the policy that holds for a delivery over HTTP: as it is now, even
// if the message is older.
func (s *Service) deliveryPolicy(d *delivery) (*subscriptionDelivery, error) {
	standard := (&subscription{}).delivery(&topic{})
	if d.lane != laneHTTP {
		return standard, nil
	}
	t, err := findTopic(s.db.Read(), d.topic)
	if isNotFound(err) {
		return standard, nil
	}
	if err != nil {
		return standard, err
	}
	sub, err := findSubscription(s.db.Read(), byARN, d.subscription)
	if isNotFound(err) {
		sub, err = &subscription{}, nil
	}
	if err != nil {
		return standard, err
	}
	return sub.delivery(t), nil
}

// retryAfter is how long to wait after a failed attempt, and whether to try again at all.
func retryAfter(d *delivery, policy *subscriptionDelivery) (pause time.Duration, more bool) {
	if d.lane == laneHTTP {
		return policy.Retry.pause(d.attempts), d.attempts < *policy.Retry.NumRetries
	}
	if d.attempts >= 10 { // 2^10 s is over the limit
		return longestPause, d.attempts+1 < maxAttempts
	}
	return min(firstPause<<d.attempts, longestPause), true
}
