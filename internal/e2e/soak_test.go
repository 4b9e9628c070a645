//go:build soak

package e2e

import (
	"os"
	"strconv"
	"testing"
)

// TestSoakKills is TestKills for long: TINTYPE_SOAK_IMAGES images, a kill for each 40.
func TestSoakKills(t *testing.T) {
	t.Parallel()
	n, err := strconv.Atoi(os.Getenv("TINTYPE_SOAK_IMAGES"))
	if err != nil || n < 40 {
		t.Fatalf("TINTYPE_SOAK_IMAGES=%q: want a number of at least 40", os.Getenv("TINTYPE_SOAK_IMAGES"))
	}
	kills(t, n, n/40)
}
