package main

import (
	"fmt"
	"math"
	"strings"
)

const (
	plotWidth, panelHeight = 860.0, 110.0
	marginLeft, marginTop  = 70.0, 40.0
	panelGap               = 26.0
)

// panel is one quantity over time.
type panel struct {
	title, colour string
	of            func(point) float64
}

// plot draws what happened between two times, in panels one below the other, as SVG.
func plot(points []point, from, to, step float64, title string) string {
	panels := []panel{
		{"uploads per second", "#4a6fa5", func(p point) float64 { return p.Rate }},
		{"messages waiting", "#b5532c", func(p point) float64 { return p.Waiting }},
		{"age of the oldest, seconds", "#8a3a6b", func(p point) float64 { return p.OldestAge }},
		{"workers", "#3a7d5d", func(p point) float64 { return p.Workers }},
	}
	height := marginTop + float64(len(panels))*(panelHeight+panelGap) + 20
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" font-family="system-ui, sans-serif" font-size="12">`+"\n", plotWidth, height)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="#fff"/><text x="%.0f" y="22" font-size="15" font-weight="600">%s</text>`+"\n", marginLeft, title)
	x := func(t float64) float64 { return marginLeft + (t-from)/(to-from)*(plotWidth-marginLeft-20) }
	for i, pn := range panels {
		top := marginTop + float64(i)*(panelHeight+panelGap) + 14
		most := 0.0
		for _, p := range points {
			if p.T >= from && p.T <= to {
				most = max(most, pn.of(p))
			}
		}
		most = nice(most)
		y := func(v float64) float64 { return top + panelHeight - v/most*panelHeight }
		fmt.Fprintf(&b, `<text x="%.0f" y="%.0f" fill="%s" font-weight="600">%s</text>`+"\n", marginLeft, top-4, pn.colour, pn.title)
		for _, v := range []float64{0, most / 2, most} {
			fmt.Fprintf(&b, `<line x1="%.0f" x2="%.0f" y1="%.1f" y2="%.1f" stroke="#ddd"/><text x="%.0f" y="%.1f" text-anchor="end" fill="#555">%s</text>`+"\n", marginLeft, plotWidth-20, y(v), y(v), marginLeft-6, y(v)+4, num(v))
		}
		for t := math.Ceil(from/step) * step; t <= to; t += step {
			fmt.Fprintf(&b, `<line x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f" stroke="#eee"/>`, x(t), x(t), top, top+panelHeight)
			if i == len(panels)-1 {
				fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" text-anchor="middle" fill="#555">%02d:%02d</text>`+"\n", x(t), top+panelHeight+16, int(t)/3600, int(t)%3600/60)
			}
		}
		fmt.Fprintf(&b, `<path fill="none" stroke="%s" stroke-width="1.4" d="%s"/>`+"\n", pn.colour, path(points, from, to, x, y, pn.of))
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// path joins the points; of those that would share a pixel, the highest counts.
func path(points []point, from, to float64, x, y func(float64) float64, of func(point) float64) string {
	var b strings.Builder
	last, high := math.Inf(-1), 0.0
	for _, p := range points {
		if p.T < from || p.T > to {
			continue
		}
		px := math.Round(x(p.T))
		if px == last {
			high = max(high, of(p))
			continue
		}
		if !math.IsInf(last, -1) {
			fmt.Fprintf(&b, "L%.0f %.1f", last, y(high))
		}
		last, high = px, of(p)
	}
	fmt.Fprintf(&b, "L%.0f %.1f", last, y(high))
	return "M" + strings.TrimPrefix(b.String(), "L")
}

// nice is the next round number.
func nice(v float64) float64 {
	if v <= 0 {
		return 1
	}
	p := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 4, 5, 8, 10} {
		if v <= m*p {
			return m * p
		}
	}
	return v
}
