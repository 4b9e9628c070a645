package digest

import "golang.org/x/sys/cpu"

//go:generate go run gen.go

// lanes8 runs MD5's compression function over the next blocks of eight streams; blocks
// must be at least 1.
//
//go:noescape
func lanes8(state *[4][lanes]uint32, streams *[lanes]*byte, blocks int, table *[64]uint32)

// parallel tells whether this processor can.
var parallel = cpu.X86.HasAVX2
