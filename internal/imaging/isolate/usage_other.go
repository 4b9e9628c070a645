//go:build unix && !linux

package isolate

import "time"

// canMeasure says that children's memory and processor time can be read.
const canMeasure = false

type usage struct{}

func newUsage(int) *usage { return &usage{} }

func (*usage) processor() time.Duration { return 0 }

func (*usage) memory() int64 { return 0 }

func (*usage) close() {}
