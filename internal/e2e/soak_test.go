//go:build soak

package e2e

import (
	"os"
	"strconv"
	"testing"
	"time"
)

// images is how long the long tests are.
func images(t *testing.T) int {
	t.Helper()
	n, err := strconv.Atoi(os.Getenv("TINTYPE_SOAK_IMAGES"))
	if err != nil || n < 40 {
		t.Fatalf("TINTYPE_SOAK_IMAGES=%q: want a number of at least 40", os.Getenv("TINTYPE_SOAK_IMAGES"))
	}
	return n
}

// TestSoakKills is TestKills for long: TINTYPE_SOAK_IMAGES images, a kill for each 40.
func TestSoakKills(t *testing.T) {
	t.Parallel()
	n := images(t)
	kills(t, n, n/40)
}

// TestSoakFaults is TestFaults for long: the classes one by one, each with its part of
// TINTYPE_SOAK_IMAGES images, and all together with all of them.
func TestSoakFaults(t *testing.T) {
	n := images(t)
	var one []faultClass
	one = append(one, quick...)
	one = append(one, lost(n/100), silence)
	one = append(one, repeated...)
	for name, f := range map[string]func(*testing.T, *system){
		"one by one": func(t *testing.T, s *system) { faults(t, s, 2, n/len(one), one...) },
		"everything": func(t *testing.T, s *system) { faults(t, s, 2, n, everything(n/100)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t)
			s.startEndpoint("--log-level", "warn")
			f(t, s)
		})
	}
}

// TestSoakEndpointAway is TestEndpointAway with a minute and more without an endpoint.
func TestSoakEndpointAway(t *testing.T) {
	t.Parallel()
	endpointAway(t, images(t)/10, time.Minute)
}

// TestSoakEndpointHangs is TestEndpointHangs for so long that the app tier says so too.
func TestSoakEndpointHangs(t *testing.T) {
	t.Parallel()
	endpointHangs(t, images(t)/10, true)
}

// TestSoakRollingRestarts is TestRollingRestarts for long.
func TestSoakRollingRestarts(t *testing.T) {
	t.Parallel()
	n := images(t)
	rollingRestarts(t, n, n/40)
}
