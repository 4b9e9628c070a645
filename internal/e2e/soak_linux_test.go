//go:build soak

package e2e

import "testing"

// TestSoakPoisonWithoutIsolation is TestPoisonWithoutIsolation with the queue as it is by
// default: five receives.
func TestSoakPoisonWithoutIsolation(t *testing.T) {
	t.Parallel()
	poisonWithoutIsolation(t, 6, 5)
}
