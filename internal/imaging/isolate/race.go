//go:build race

package isolate

// raceDetector says that this program was built with the race detector.
const raceDetector = true
