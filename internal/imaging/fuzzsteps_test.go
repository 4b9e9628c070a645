package imaging_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/imaging"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/testimages"
)

// stepsOf makes steps of bytes, four for each: which step, and numbers within what the
// checks of recipes let through.
func stepsOf(b []byte, text string) []recipe.Step {
	number := func(v byte, low, high float64) recipe.Value {
		return recipe.Value(fmt.Sprint(low + (high-low)*float64(v)/255))
	}
	length := func(v byte) recipe.Value { return recipe.Value(fmt.Sprint(1 + int(v)*int(v)/40)) }
	word := func(v byte, words ...recipe.Value) recipe.Value { return words[int(v)%len(words)] }
	back := func(v byte) recipe.Value { return word(v, "transparent", "#112233", "#ffffff") }
	var steps []recipe.Step
	for ; len(b) >= 4 && len(steps) < 6; b = b[4:] {
		x, y, z := b[1], b[2], b[3]
		focus := word(z, "center", "attention", "entropy", "point")
		steps = append(steps, [...]recipe.Step{
			{Kind: recipe.StepAdjust, Brightness: number(x, 0, 4), Contrast: number(y, 0, 4), Saturation: number(z, 0, 4), Hue: number(x, -360, 360)},
			{Kind: recipe.StepBlur, Sigma: number(x, 0.3, 100)},
			{Kind: recipe.StepSharpen, Sigma: number(x, 0.3, 10), Amount: number(y, 0, 10)},
			{Kind: recipe.StepRotate, Angle: number(x, -360, 360), Background: back(y)},
			{Kind: recipe.StepRotate, Angle: word(x, "0", "90", "180", "-90"), Background: back(y)},
			{Kind: recipe.StepFlip, Direction: word(x, "horizontal", "vertical")},
			{Kind: recipe.StepCrop, Width: length(x), Height: length(y), Focus: focus, FocusX: number(z, 0, 1), FocusY: number(z, 0, 1)},
			{Kind: recipe.StepCrop, Ratio: recipe.Value(fmt.Sprintf("%d:%d", 1+int(x), 1+int(y))), Focus: focus},
			{Kind: recipe.StepResize, Width: length(x), Height: length(y), Fit: word(z, "inside", "cover", "pad", "fill"), Enlarge: word(z/8, "true", "false"), Background: back(y)},
			{Kind: recipe.StepPad, Width: length(x), Height: length(y), Background: back(z)},
			{Kind: recipe.StepFlatten, Background: "#445566"},
			{Kind: recipe.StepWatermark, Image: "mark", Position: word(x, "center", "tile", "top-left", "bottom"), Scale: number(y, 0.01, 1), Margin: number(z, 0, 0.5), Opacity: number(x, 0, 1)},
			{Kind: recipe.StepWatermark, Text: recipe.Value("." + text), Color: "#ff0000", Position: word(x, "center", "tile", "right"), Scale: number(y, 0.01, 1), Margin: number(z, 0, 0.5), Opacity: "1"},
			{Kind: recipe.StepKeep, Metadata: "copyright,exif-no-gps,icc"},
		}[int(b[0])%14])
	}
	return steps
}

// FuzzSteps: any steps, in any order, on any file end in outputs or in a permanent fault.
func FuzzSteps(f *testing.F) {
	mark := testimages.AlphaPNG(20, 10)
	for i := range byte(14) {
		f.Add(testimages.AlphaPNG(30, 20), mark, "<b>x", []byte{i, 10, 200, 3, i, 250, 5, 1})
		f.Add(testimages.AnimatedGIF(16, 12, 3), mark, "&", []byte{i, 90, 20, 1, i + 1, 30, 60, 2, i + 5, 128, 128, 0})
	}
	f.Add(testimages.WithMetadata(testimages.JPEG(40, 30), 6, binary.BigEndian), testimages.GIF(8, 8), "é", []byte{13, 0, 0, 0, 3, 77, 0, 0})
	e := newEngine(f, imaging.Limits{Pixels: 200_000, Side: 1000, Bytes: 1_000_000, Frames: 10})
	f.Fuzz(func(t *testing.T, src, mark []byte, text string, b []byte) {
		if len(text) > 200 {
			return
		}
		job := &recipe.Job{Steps: stepsOf(b, text), Outputs: []recipe.Output{
			{Name: "same", Format: recipe.Same}, {Name: "small", Format: recipe.JPEG, Width: 40, Height: 40, Fit: recipe.FitCover, Focus: "attention"},
			{Name: "pad", Format: recipe.WebP, Width: 50, Height: 20, Fit: recipe.FitPad, Enlarge: true, TargetBytes: 1000}}}
		p, err := e.Process(context.Background(), imaging.Request{Source: src, Job: job, Assets: map[string][]byte{"mark": mark}})
		if err != nil {
			if x := fault.As(err); x == nil || x.Kind != fault.Permanent || x.Message == "" {
				t.Fatalf("%+v: %v", job.Steps, err)
			}
			return
		}
		for _, o := range p.Outputs {
			if len(o.Bytes) == 0 || o.Width < 1 || o.Height < 1 || o.Width > 1000 || o.Height > 1000 || o.DominantColor == "" {
				t.Fatalf("%+v: output %s is %d bytes, %d × %d", job.Steps, o.Name, len(o.Bytes), o.Width, o.Height)
			}
		}
	})
}
