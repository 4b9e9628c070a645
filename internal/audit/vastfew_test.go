//go:build !soak

package audit

const vastImages = 160_000
