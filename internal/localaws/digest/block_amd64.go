package digest

import "golang.org/x/sys/cpu"

//go:generate go run gen.go

//go:noescape
func lanesAVX2(state *[4][lanes]uint32, streams *[lanes]*byte, blocks int, table *[64]uint32)

//go:noescape
func lanesAVX512(state *[4][lanes]uint32, streams *[lanes]*byte, blocks int, table *[64]uint32)

// What this processor has.
var (
	parallel = cpu.X86.HasAVX2
	wide     = cpu.X86.HasAVX2 && cpu.X86.HasAVX512F && cpu.X86.HasAVX512VL
)

// lanes8 runs MD5's compression function over the next blocks of eight streams; blocks
// must be at least 1.
func lanes8(state *[4][lanes]uint32, streams *[lanes]*byte, blocks int, table *[64]uint32) {
	if wide {
		lanesAVX512(state, streams, blocks, table)
	} else {
		lanesAVX2(state, streams, blocks, table)
	}
}
