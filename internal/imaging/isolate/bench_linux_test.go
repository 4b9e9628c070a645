package isolate

import (
	"bytes"
	"context"
	"image"
	"image/draw"
	"image/jpeg"
	"log/slog"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tintype/tintype/internal/imaging"
	"github.com/tintype/tintype/internal/testimages"
)

// photograph12MP is a photograph laid side by side to 12 megapixels: as large a file as
// a camera's, which a generated picture is not.
func photograph12MP(t testing.TB) []byte {
	t.Helper()
	tile, err := jpeg.Decode(bytes.NewReader(testimages.Photos()[1].Bytes))
	if err != nil {
		t.Fatal(err)
	}
	m := image.NewRGBA(image.Rect(0, 0, 4000, 3000))
	for y := 0; y < 3000; y += tile.Bounds().Dy() {
		for x := 0; x < 4000; x += tile.Bounds().Dx() {
			draw.Draw(m, tile.Bounds().Add(image.Pt(x, y)), tile, image.Point{}, draw.Src)
		}
	}
	return testimages.EncodeJPEG(m, 92)
}

// processorTime is what this process has used until now, and child, if it is one.
func processorTime(t testing.TB, child *process) time.Duration {
	t.Helper()
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		t.Fatal(err)
	}
	sum := time.Duration(r.Utime.Nano() + r.Stime.Nano())
	if child != nil {
		u := newUsage(child.pid)
		defer u.close()
		sum += u.before
	}
	return sum
}

// BenchmarkIsolation takes the same photograph through a child and through the engine in
// this process, in turn, and prints the processor time of both and their ratio, as medians.
func BenchmarkIsolation(b *testing.B) {
	p := newPool(b, Options{Workers: 1, Logger: slog.New(slog.DiscardHandler), Images: -1})
	e, err := imaging.New(imaging.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	s := <-p.slots
	child := s.child
	p.slots <- s
	req := imaging.Request{Source: photograph12MP(b), Job: job(""), Spare: true}
	measure := func(process processor) (cpu, wall time.Duration) {
		before, began := processorTime(b, child), time.Now()
		if _, err := process(context.Background(), req); err != nil {
			b.Fatal(err)
		}
		return processorTime(b, child) - before, time.Since(began)
	}
	b.SetBytes(int64(len(req.Source)))
	var isolated, inside, isolatedWall, insideWall []time.Duration
	for b.Loop() {
		cpu, wall := measure(p.Process)
		isolated, isolatedWall = append(isolated, cpu), append(isolatedWall, wall)
		cpu, wall = measure(e.Process)
		inside, insideWall = append(inside, cpu), append(insideWall, wall)
	}
	ms := func(all []time.Duration) float64 { return float64(median(all).Microseconds()) / 1000 }
	b.ReportMetric(ms(isolated), "ms-cpu-isolated")
	b.ReportMetric(ms(inside), "ms-cpu-inside")
	b.ReportMetric(ms(isolated)/ms(inside), "cpu-ratio")
	b.ReportMetric(ms(isolatedWall)/ms(insideWall), "wall-ratio")
}

// BenchmarkStart is the cost of a new child until it is ready, and of ending it.
func BenchmarkStart(b *testing.B) {
	p := newPool(b, Options{Workers: 1, Logger: slog.New(slog.DiscardHandler)})
	var cpu []time.Duration
	for b.Loop() {
		c, err := p.start()
		if err != nil {
			b.Fatal(err)
		}
		c.end()
		cpu = append(cpu, c.state.UserTime()+c.state.SystemTime())
	}
	b.ReportMetric(float64(median(cpu).Microseconds())/1000, "ms-cpu")
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}
