package lab

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"
	"time"
)

//go:embed report.html
var reportPage string

// html is the report as one page that needs nothing else: plots and data stand in it.
func (r *Report) html(plots []figure, data []byte) ([]byte, error) {
	page, err := template.New("report").Funcs(template.FuncMap{
		"ms": milliseconds, "rate": func(v float64) string { return significant(v) + "/s" }, "num": significant,
		"times": func(a, b float64) string {
			if b == 0 {
				return "—"
			}
			return significant(a/b) + "×"
		},
		"seconds":  func(v float64) string { return significant(v) + " s" },
		"codes":    codeList,
		"spread":   func(s Spread) template.HTML { return spreadCell(s, significant) },
		"spreadMS": func(s Spread) template.HTML { return spreadCell(s, milliseconds) },
		"mb":       func(n int) string { return fmt.Sprintf("%.2f MB", float64(n)/1e6) },
		"date":     func(t time.Time) string { return t.Format("2 January 2006, 15:04 MST") },
		"plot": func(name string) template.HTML {
			i := slices.IndexFunc(plots, func(f figure) bool { return f.Name == name })
			if i < 0 {
				return ""
			}
			return template.HTML(plots[i].SVG) //nolint:gosec // drawn by us from numbers and constant names
		},
	}).Parse(reportPage)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = page.Execute(&b, struct {
		*Report
		Data string
	}{r, string(data)})
	return b.Bytes(), err
}

// spreadCell is a median with what it lies between. Its parts are numbers and units.
func spreadCell(s Spread, show func(float64) string) template.HTML {
	return template.HTML(fmt.Sprintf("%s<small>%s – %s</small>", show(s.Median), show(s.Min), show(s.Max))) //nolint:gosec // see above
}

// milliseconds is a time for people.
func milliseconds(ms float64) string {
	switch {
	case math.IsNaN(ms):
		return "—"
	case ms >= 10_000:
		return fmt.Sprintf("%.1f s", ms/1000)
	case ms >= 1000:
		return fmt.Sprintf("%.2f s", ms/1000)
	case ms >= 10:
		return fmt.Sprintf("%.0f ms", ms)
	}
	return fmt.Sprintf("%.1f ms", ms)
}

// significant is a number with two or three digits that mean something.
func significant(v float64) string {
	switch a := math.Abs(v); {
	case math.IsNaN(v):
		return "—"
	case a >= 100:
		return fmt.Sprintf("%.0f", v)
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// codeList is "corrupt_image ×9, too_large ×3".
func codeList(codes map[string]int) string {
	var parts []string
	for code, n := range codes {
		parts = append(parts, fmt.Sprintf("%s ×%d", code, n))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}
