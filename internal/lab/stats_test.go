package lab

import (
	"math"
	"testing"
)

func TestQuantile(t *testing.T) {
	hundred := make([]float64, 100)
	for i := range hundred {
		hundred[99-i] = float64(i + 1) // 1 to 100, the greatest first
	}
	for _, tt := range []struct {
		values []float64
		q      float64
		want   float64
	}{
		{hundred, 0.5, 50}, {hundred, 0.99, 99}, {hundred, 1, 100}, {hundred, 0, 1},
		{[]float64{3, 1, 2}, 0.5, 2}, {[]float64{3, 1, 2}, 0.99, 3}, {[]float64{7}, 0.1, 7},
	} {
		if got := quantile(tt.values, tt.q); got != tt.want {
			t.Errorf("the %v quantile of %d values is %v, want %v", tt.q, len(tt.values), got, tt.want)
		}
	}
	if hundred[0] != 100 {
		t.Error("the values were put into another order")
	}
	if !math.IsNaN(quantile(nil, 0.5)) {
		t.Error("of nothing there is a quantile")
	}
}

func TestSpread(t *testing.T) {
	if s := spreadOf([]float64{5, 1, 3, 2}); s.Median != 2.5 || s.Min != 1 || s.Max != 5 || s.Values[0] != 5 {
		t.Errorf("the spread is %+v", s)
	}
	if s := spreadOf([]float64{5, 1, 3}); s.Median != 3 {
		t.Errorf("the spread is %+v", s)
	}
}
