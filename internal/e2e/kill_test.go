package e2e

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// TestKills uploads while every process is killed with SIGKILL, again and again, and
// then counts: each acknowledged upload ends as done, no output is torn, and nothing
// is announced before its manifest is stored.
func TestKills(t *testing.T) {
	t.Parallel()
	kills(t, 80, 6)
}

// kills uploads n images during the given number of rounds, in each of which one
// process is killed and started again.
func kills(t *testing.T, n, rounds int) {
	s := newSystem(t)
	tiers := []func() *process{func() *process { return s.startEndpoint() }, func() *process { return s.startApp() }, func() *process { return s.startWeb() }}
	running := make([]*process, len(tiers))
	running[0] = tiers[0]()
	s.provision()
	announced := watchCompletions(t, s)
	running[1], running[2] = tiers[1](), tiers[2]()

	l := newLedger()
	fed := s.feed(t, l, n, s.web())
	for round := range rounds {
		// Kill in the middle of things: after some further uploads, not after some time.
		target := min(n, (round+1)*n/(rounds+1))
		within(t, 3*time.Minute, "uploads go on", func() error {
			if c := l.count(); c < target {
				return fmt.Errorf("%d of %d", c, target)
			}
			return nil
		})
		victim := round % len(running)
		if round >= len(running) {
			victim = rand.IntN(len(running))
		}
		running[victim].kill()
		running[victim] = tiers[victim]()
	}
	<-fed
	check(t, s, l, announced, expectations{})
}
