package lab

import (
	"bytes"
	"fmt"
	"image/color"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// figure is one plot in both forms.
type figure struct {
	Name string // of its file, without extension
	SVG  []byte // without XML's header, to stand in a page
	PNG  []byte
}

// Both architectures have one colour each in all plots; the pair is told apart by people who see
// red and green alike, and the marks differ too.
var (
	colourDecoupled = color.RGBA{0x1f, 0x6f, 0xb4, 0xff}
	colourCoupled   = color.RGBA{0xd9, 0x5f, 0x0e, 0xff}
	colourFailed    = color.RGBA{0xb0, 0x00, 0x20, 0xff}
	colourShade     = color.RGBA{0xe4, 0xe4, 0xe4, 0xff} // opaque: PNG and SVG differ in what is not
)

// The size of a plot, and how fine its PNG is.
const (
	plotWidth  = 19 * vg.Centimeter
	plotHeight = 8 * vg.Centimeter
	plotDPI    = 160
)

func (r *Report) plots() ([]figure, error) {
	var all []figure
	add := func(name string, p *plot.Plot, err error) error {
		if err != nil {
			return fmt.Errorf("plot %s: %w", name, err)
		}
		f, err := render(name, p)
		if err == nil {
			all = append(all, f)
		}
		return err
	}
	if r.Burst != nil {
		p, err := burstPlot(r.Burst)
		if err := add("burst", p, err); err != nil {
			return all, err
		}
	}
	if r.Kill != nil {
		p, err := killPlot(r.Kill)
		if err := add("kill", p, err); err != nil {
			return all, err
		}
	}
	if r.Drain != nil {
		p, err := drainPlot(r.Drain)
		if err := add("drain", p, err); err != nil {
			return all, err
		}
	}
	if r.Spike != nil {
		p, err := depthPlot(r.Spike)
		if err := add("spike-depth", p, err); err != nil {
			return all, err
		}
		p, err = agePlot(r.Spike)
		if err := add("spike-age", p, err); err != nil {
			return all, err
		}
	}
	return all, nil
}

func newPlot(x, y string) *plot.Plot {
	p := plot.New()
	p.X.Label.Text, p.Y.Label.Text = x, y
	p.X.Min, p.Y.Min = 0, 0
	p.Legend.Top, p.Legend.Left, p.Legend.XOffs = true, true, vg.Points(8)
	p.Legend.Padding, p.Legend.ThumbnailWidth = vg.Points(2), vg.Points(16)
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color = color.Gray{0xe6}, color.Gray{0xe6}
	p.Add(grid)
	return p
}

// burstPlot shows each upload of the last burst: when it began, how long it took. The scale is
// logarithmic: the two sides lie that far apart.
func burstPlot(b *BurstResult) (*plot.Plot, error) {
	p := newPlot("begun, seconds into the burst", "upload takes, ms")
	p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	least, most := math.Inf(1), 1.0
	for _, side := range []struct {
		name   string
		side   *BurstSide
		colour color.Color
		mark   draw.GlyphDrawer
	}{{"coupled", b.Coupled, colourCoupled, draw.PyramidGlyph{}}, {"decoupled", &b.Decoupled, colourDecoupled, draw.CircleGlyph{}}} {
		if side.side == nil {
			continue
		}
		var xys plotter.XYs
		for _, u := range side.side.Last {
			if u.ok() && u.MS > 0 {
				xys = append(xys, plotter.XY{X: u.At, Y: u.MS})
				least, most = min(least, u.MS), max(most, u.MS)
			}
		}
		if err := scatter(p, side.name, xys, side.colour, side.mark); err != nil {
			return nil, err
		}
	}
	if math.IsInf(least, 1) {
		least = 1
	}
	p.Y.Min, p.Y.Max = math.Pow(10, math.Floor(math.Log10(least))), math.Pow(10, math.Ceil(math.Log10(most)))
	return p, nil
}

func scatter(p *plot.Plot, name string, xys plotter.XYs, c color.Color, mark draw.GlyphDrawer) error {
	if len(xys) == 0 {
		return nil
	}
	s, err := plotter.NewScatter(xys)
	if err != nil {
		return err
	}
	s.Color, s.Shape, s.Radius = c, mark, vg.Points(2.5)
	p.Add(s)
	p.Legend.Add(name, s)
	return nil
}

// killPlot shows when uploads were taken, and which failed, with the time without app tier shaded.
func killPlot(k *KillResult) (*plot.Plot, error) {
	p := newPlot("seconds", "")
	p.Y.Min, p.Y.Max = 0, 3
	p.Y.Tick.Marker = plot.ConstantTicks{{Value: 1, Label: "coupled"}, {Value: 2, Label: "decoupled"}}
	away, err := plotter.NewPolygon(plotter.XYs{{X: k.KilledAt, Y: 0}, {X: k.BackAt, Y: 0}, {X: k.BackAt, Y: 3}, {X: k.KilledAt, Y: 3}})
	if err != nil {
		return nil, err
	}
	away.Color, away.Width = colourShade, 0
	p.Add(away)
	p.Legend.Add("no app tier", away)
	taken, failed := plotter.XYs{}, plotter.XYs{}
	for y, side := range map[float64]*KillSide{1: k.Coupled, 2: &k.Decoupled} {
		if side == nil {
			continue
		}
		for _, u := range side.Uploads {
			if u.ok() {
				taken = append(taken, plotter.XY{X: u.At, Y: y})
			} else {
				failed = append(failed, plotter.XY{X: u.At, Y: y})
			}
		}
	}
	if err := scatter(p, "taken", taken, colourDecoupled, draw.CircleGlyph{}); err != nil {
		return nil, err
	}
	return p, scatter(p, "failed", failed, colourFailed, draw.CrossGlyph{})
}

// drainPlot shows images per second by processes: each run, and the medians.
func drainPlot(d *DrainResult) (*plot.Plot, error) {
	p := newPlot("app processes", "images per second")
	var points, medians plotter.XYs
	var ticks plot.ConstantTicks
	for _, r := range d.Rates {
		x := float64(r.Processes)
		ticks = append(ticks, plot.Tick{Value: x, Label: fmt.Sprint(r.Processes)})
		medians = append(medians, plotter.XY{X: x, Y: r.PerSecond.Median})
		for _, v := range r.PerSecond.Values {
			points = append(points, plotter.XY{X: x, Y: v})
		}
	}
	p.X.Tick.Marker = ticks
	for _, xy := range append(points, medians...) {
		p.X.Max, p.Y.Max = max(p.X.Max, 1.1*xy.X), max(p.Y.Max, 1.1*xy.Y)
	}
	line, err := plotter.NewLine(medians)
	if err != nil {
		return nil, err
	}
	line.Color, line.Width = colourDecoupled, vg.Points(1.5)
	p.Add(line)
	p.Legend.Add("median", line)
	p.Legend.Top = false
	return p, scatter(p, "each run", points, colourDecoupled, draw.CircleGlyph{})
}

func depthPlot(s *SpikeResult) (*plot.Plot, error) {
	return spikePlot(s, "messages", []series{
		{"waiting", colourDecoupled, func(s Sample) float64 { return float64(s.Depth) }},
		{"in flight", colourCoupled, func(s Sample) float64 { return float64(s.InFlight) }},
	})
}

func agePlot(s *SpikeResult) (*plot.Plot, error) {
	return spikePlot(s, "age of the oldest image, s", []series{{"oldest", colourDecoupled, func(s Sample) float64 { return s.Age }}})
}

// series is one line over the samples.
type series struct {
	name   string
	colour color.Color
	value  func(Sample) float64
}

func spikePlot(s *SpikeResult, y string, all []series) (*plot.Plot, error) {
	p := newPlot("seconds", y)
	top := 1.0
	for _, one := range all {
		for _, sample := range s.Samples {
			top = max(top, one.value(sample))
		}
	}
	top *= 1.08
	spike, err := plotter.NewPolygon(plotter.XYs{{X: s.From, Y: 0}, {X: s.To, Y: 0}, {X: s.To, Y: top}, {X: s.From, Y: top}})
	if err != nil {
		return nil, err
	}
	spike.Color, spike.Width = colourShade, 0
	p.Add(spike)
	p.Legend.Add("ten times the traffic", spike)
	for _, one := range all {
		var xys plotter.XYs
		for _, sample := range s.Samples {
			xys = append(xys, plotter.XY{X: sample.At, Y: one.value(sample)})
		}
		if len(xys) == 0 {
			continue
		}
		line, err := plotter.NewLine(xys)
		if err != nil {
			return nil, err
		}
		line.Color, line.Width = one.colour, vg.Points(1.5)
		p.Add(line)
		p.Legend.Add(one.name, line)
	}
	return p, nil
}

// render draws a plot in both forms.
func render(name string, p *plot.Plot) (figure, error) {
	f := figure{Name: name}
	svg := vgsvg.New(plotWidth, plotHeight)
	p.Draw(draw.New(svg))
	var b bytes.Buffer
	if _, err := svg.WriteTo(&b); err != nil {
		return f, err
	}
	f.SVG = b.Bytes()
	if i := bytes.Index(f.SVG, []byte("<svg")); i > 0 {
		f.SVG = slices.Clone(f.SVG[i:])
	}
	img := vgimg.NewWith(vgimg.UseWH(plotWidth, plotHeight), vgimg.UseDPI(plotDPI))
	p.Draw(draw.New(img))
	var raster bytes.Buffer
	if _, err := (vgimg.PngCanvas{Canvas: img}).WriteTo(&raster); err != nil {
		return f, err
	}
	f.PNG = raster.Bytes()
	return f, nil
}
