//go:build soak

package audit

const vastImages = 1_000_000
