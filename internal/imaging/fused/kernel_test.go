package fused

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// TestKernelsAgree holds what this processor can do to plain C, byte by byte.
func TestKernelsAgree(t *testing.T) {
	list := kernels()
	plain := list[len(list)-1]
	if plain.name != "plain" {
		t.Fatalf("the last kernel is %s", plain.name)
	}
	r := rand.New(rand.NewPCG(3, 4))
	for round := range 300 {
		n, taps := 1+r.IntN(150), 2*(1+r.IntN(24))
		across := 8 * (1 + r.IntN(6))
		stride := n + across + slack
		rows := make([]byte, stride*taps)
		for i := range rows {
			rows[i] = byte(r.IntN(256))
			if round%3 == 0 { // the ends of the range, where sums leave it
				rows[i] = byte(r.IntN(2) * 255)
			}
		}
		down, side, start := make([]int16, taps), make([]int16, across*n), make([]int32, n)
		for i := range down {
			down[i] = int16(r.IntN(1<<15) - 1<<14)
		}
		for i := range side {
			side[i] = int16(r.IntN(1<<15) - 1<<14)
		}
		for i := range start {
			start[i] = int32(i)
		}
		want := [2][]byte{make([]byte, n+slack), make([]byte, n+slack)}
		plain.vertical(rows, stride, down, n, want[0])
		plain.horizontal(rows, start, side, want[1])
		for _, k := range list[:len(list)-1] {
			got := [2][]byte{make([]byte, n+slack), make([]byte, n+slack)}
			k.vertical(rows, stride, down, n, got[0])
			k.horizontal(rows, start, side, got[1])
			for i := range got {
				if !bytes.Equal(got[i][:n], want[i][:n]) {
					t.Fatalf("%s, %d samples, %d and %d taps: other bytes than plain C", k.name, n, taps, across)
				}
			}
		}
	}
}
