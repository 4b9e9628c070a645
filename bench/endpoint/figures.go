package main

import (
	"fmt"
	"slices"
)

func median(v []float64) float64 { return percentile(v, 50) }

// percentile is the value that p of a hundred do not exceed; 0 of none.
func percentile(v []float64, p int) float64 {
	if len(v) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(v))
	return s[(len(s)-1)*p/100]
}

// spread is a median with the least and the greatest.
func spread(v []float64) string {
	if len(v) == 0 {
		return "–"
	}
	format := "%.0f (%.0f–%.0f)"
	if median(v) < 20 {
		format = "%.2f (%.2f–%.2f)"
	}
	return fmt.Sprintf(format, median(v), slices.Min(v), slices.Max(v))
}
