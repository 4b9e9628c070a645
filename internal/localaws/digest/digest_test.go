package digest

import (
	"crypto/md5"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

func check(t *testing.T, messages []string) {
	t.Helper()
	for i, got := range Sums(messages) {
		if want := md5.Sum([]byte(messages[i])); got != want {
			t.Errorf("message %d of %d, %d bytes: %x, want %x", i, len(messages), len(messages[i]), got, want)
		}
	}
}

func TestSums(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	text := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		return string(b)
	}
	for n := range 20 { // messages
		var same, other []string
		for i := range n {
			same = append(same, text(3072))
			other = append(other, text(i*random.IntN(300)))
		}
		check(t, same)
		check(t, other)
	}
	for size := range 200 { // all places for the padding
		check(t, []string{text(size), text(size + 1), text(199 - size), text(size)})
	}
}

func FuzzSums(f *testing.F) {
	f.Add("a|bc|def|", 3)
	f.Fuzz(func(t *testing.T, s string, times int) {
		check(t, strings.Split(strings.Repeat(s, max(0, min(times, 50))), "|"))
	})
}

func BenchmarkSums(b *testing.B) {
	for _, n := range []int{1, 3, 8, 10} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			messages := make([]string, n)
			for i := range messages {
				messages[i] = strings.Repeat("x", 3072)
			}
			b.SetBytes(int64(n * 3072))
			for b.Loop() {
				Sums(messages)
			}
		})
	}
}
