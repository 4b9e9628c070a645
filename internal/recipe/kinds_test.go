package recipe

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/tintype/tintype/internal/fault"
)

// bookWith is the built-in recipes and one more, "it", with an output and these steps.
func bookWith(t *testing.T, params []Param, steps ...Step) *Book {
	t.Helper()
	b, err := newBook(append(Builtin().Recipes(), Recipe{Name: "it", Params: params, Steps: steps, Outputs: []Output{{Name: "o", Format: Same}}}))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestEveryKindIsComplete: a job has every value of its kind, defaults included, in
// canonical form, and none without effect.
func TestEveryKindIsComplete(t *testing.T) {
	for want, s := range map[string]Step{
		`{"kind":"tint","color":"#aabbcc","strength":"1"}`:                                                                   {Kind: StepTint, Color: "ABC"},
		`{"kind":"adjust","brightness":"1","contrast":"1.5","saturation":"1","hue":"0"}`:                                     {Kind: StepAdjust, Contrast: "1.50"},
		`{"kind":"blur","sigma":"2"}`:                                                                                        {Kind: StepBlur, Sigma: "2.0"},
		`{"kind":"sharpen","sigma":"1","amount":"1"}`:                                                                        {Kind: StepSharpen},
		`{"kind":"rotate","angle":"-90","background":"transparent"}`:                                                         {Kind: StepRotate, Angle: "-90"},
		`{"kind":"flip","direction":"horizontal"}`:                                                                           {Kind: StepFlip},
		`{"kind":"crop","ratio":"16:9","focus":"center"}`:                                                                    {Kind: StepCrop, Ratio: "32:18", FocusX: "0.2"},
		`{"kind":"crop","width":"100","height":"50","focus":"point","focusX":"0.2","focusY":"0.5"}`:                          {Kind: StepCrop, Width: "1e2", Height: "50", Focus: "point", FocusX: "0.2"},
		`{"kind":"resize","width":"100","height":"0","fit":"inside","enlarge":"false"}`:                                      {Kind: StepResize, Width: "100", Fit: "fit", Focus: "entropy", Background: "#fff"},
		`{"kind":"resize","width":"9","height":"8","focus":"entropy","fit":"cover","enlarge":"true"}`:                        {Kind: StepResize, Width: "9", Height: "8", Fit: "cover", Focus: "entropy", Enlarge: "true"},
		`{"kind":"resize","background":"transparent","width":"9","height":"8","fit":"pad","enlarge":"false"}`:                {Kind: StepResize, Width: "9", Height: "8", Fit: "pad"},
		`{"kind":"watermark","image":"logos/a b.png","position":"bottom-right","scale":"0.2","margin":"0.03","opacity":"1"}`: {Kind: StepWatermark, Image: "logos/a b.png"},
		`{"kind":"watermark","color":"#ffffff","text":"$5","position":"tile","scale":"0.2","margin":"0.03","opacity":"0.5"}`: {Kind: StepWatermark, Text: "$$5", Position: "tile", Opacity: ".5"},
		`{"kind":"pad","background":"#000000","ratio":"1:1"}`:                                                                {Kind: StepPad, Ratio: "5:5", Background: "#000"},
		`{"kind":"flatten","background":"#ffffff"}`:                                                                          {Kind: StepFlatten},
		`{"kind":"strip"}`:                           {Kind: StepStrip},
		`{"kind":"keep","metadata":"copyright,icc"}`: {Kind: StepKeep, Metadata: "icc, copyright,icc"},
	} {
		job, err := bookWith(t, nil, s).Resolve("it", nil)
		if err != nil {
			t.Errorf("%+v: %v", s, err)
			continue
		}
		if got, _ := json.Marshal(job.Steps[0]); string(got) != want {
			t.Errorf("%+v\n got %s\nwant %s", s, got, want)
		}
	}
}

func TestStepsAreRefusedWithWords(t *testing.T) {
	text := []Param{{Name: "p", Type: Text, Default: ""}}
	for _, tc := range []struct {
		params []Param
		step   Step
		want   string
	}{
		{nil, Step{Kind: "blurr", Sigma: "1"}, "did you mean blur?"},
		{nil, Step{Kind: StepBlur}, "sigma is missing: it must be a number from 0.3 to 100"},
		{nil, Step{Kind: StepBlur, Sigma: "0.2"}, "0.3 to 100"},
		{nil, Step{Kind: StepSharpen, Sigma: "11"}, "0.3 to 10"},
		{nil, Step{Kind: StepGrayscale, Sigma: "1"}, "it has no values"},
		{nil, Step{Kind: StepBlur, Sigma: "1", Color: "#fff"}, `has no "color"`},
		{nil, Step{Kind: StepFlip, Direction: "up"}, "horizontal, vertical"},
		{nil, Step{Kind: StepCrop, Width: "5"}, "either width and height, or ratio"},
		{nil, Step{Kind: StepCrop, Width: "5", Height: "5", Ratio: "1:1"}, "either width and height, or ratio"},
		{nil, Step{Kind: StepCrop, Ratio: "0:1"}, "16:9"},
		{nil, Step{Kind: StepCrop, Width: "5.5", Height: "5"}, "whole number"},
		{nil, Step{Kind: StepCrop, Width: "16384", Height: "5"}, "16383"},
		{nil, Step{Kind: StepResize}, "needs width or height"},
		{nil, Step{Kind: StepResize, Width: "0", Height: "0"}, "both 0"},
		{nil, Step{Kind: StepResize, Width: "5", Fit: "cover"}, "fit cover needs width and height"},
		{nil, Step{Kind: StepWatermark}, "image or text"},
		{nil, Step{Kind: StepWatermark, Image: "a", Text: "b"}, "one of them"},
		{nil, Step{Kind: StepWatermark, Image: "a", Color: "#fff"}, "color goes with text"},
		{nil, Step{Kind: StepWatermark, Text: "a\u202eb"}, "control characters"},
		{nil, Step{Kind: StepWatermark, Text: Value(strings.Repeat("ü", 201))}, "200 characters"},
		{nil, Step{Kind: StepFlatten, Background: Transparent}, "a colour"},
		{nil, Step{Kind: StepKeep, Metadata: "gps"}, "exif-no-gps"},
		{text, Step{Kind: StepWatermark, Image: "$p"}, "choice of values"}, // or an upload could show any other upload
		{text, Step{Kind: StepFlip, Direction: "$p"}, "choice of values"},
		{text, Step{Kind: StepBlur, Sigma: "$p"}, "number from 0.3 to 100"},
		{[]Param{{Name: "p", Type: Number, Default: 1.0, Max: 200}}, Step{Kind: StepBlur, Sigma: "$p"}, "number from 0.3 to 100"},
		{[]Param{{Name: "p", Type: Number, Default: 1.0, Max: 200}}, Step{Kind: StepCrop, Width: "$p", Height: "1"}, "integer from 1"},
		{[]Param{{Name: "p", Type: Choice, Default: "up", Values: []string{"up"}}}, Step{Kind: StepFlip, Direction: "$p"}, "choice of values"},
		{text, Step{Kind: StepStrip}, "no step uses"},
	} {
		_, err := newBook(append(Builtin().Recipes(), Recipe{Name: "it", Params: tc.params, Steps: []Step{tc.step}, Outputs: []Output{{Name: "o", Format: Same}}}))
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%+v: %v, want %q in it", tc.step, err, tc.want)
		}
	}
}

func TestParametersOfEveryType(t *testing.T) {
	b := bookWith(t, []Param{
		{Name: "side", Type: Integer, Default: 100.0, Min: 0, Max: 500},
		{Name: "larger", Type: Boolean, Default: false},
		{Name: "how", Type: Choice, Default: "inside", Values: []string{"inside", "fill"}},
		{Name: "words", Type: Text, Default: "", MaxLength: 5},
	}, Step{Kind: StepResize, Width: "$side", Height: "10", Enlarge: "$larger", Fit: "$how"}, Step{Kind: StepWatermark, Text: "$words"})

	job, err := b.Resolve("it", nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(job.Steps) != 1 { // an empty text is no watermark
		t.Errorf("steps %+v", job.Steps)
	}
	job, err = b.Resolve("it", map[string]string{"side": "2e1", "larger": "true", "how": "fill", "words": "$sid©"})
	if err != nil {
		t.Fatal(err)
	}
	if s := job.Steps; s[0].Width != "20" || s[0].Enlarge != "true" || s[0].Fit != "fill" || s[1].Text != "$sid©" {
		t.Errorf("steps %+v", s)
	}
	if p := job.Params; p["side"] != 20.0 || p["larger"] != true || p["how"] != "fill" || p["words"] != "$sid©" {
		t.Errorf("params %+v", p)
	}
	for name, raw := range map[string][2]string{
		"a fraction": {"side", "1.5"}, "too many": {"side", "501"}, "yes": {"larger", "yes"}, "another word": {"how", "cover"},
		"too long": {"words", "123456"}, "a line": {"words", "a\nb"}, "no UTF-8": {"words", "\xff"}, "does not go with the rest": {"how", "fill"},
	} {
		in := map[string]string{raw[0]: raw[1]}
		if name == "does not go with the rest" {
			in["side"] = "0"
		}
		if _, err := b.Resolve("it", in); fault.CodeOf(err) != fault.CodeBadParameter || fault.KindOf(err) != fault.Permanent {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOutputsHaveOneForm(t *testing.T) {
	for _, tc := range []struct{ in, want Output }{
		{Output{Name: "o", Fit: "fit"}, Output{Name: "o", Format: Auto}},
		{Output{Name: "o", Format: PNG, Width: 5, Height: 5, Fit: FitCover, Focus: "center", Background: "FFF"}, Output{Name: "o", Format: PNG, Width: 5, Height: 5, Fit: FitCover}},
		{Output{Name: "o", Format: JPEG, Background: "#ABC", TargetBytes: 2000}, Output{Name: "o", Format: JPEG, Background: "#aabbcc", TargetBytes: 2000}},
	} {
		var wrong []string
		tc.in.check(func(_, text string) { wrong = append(wrong, text) })
		if tc.in != tc.want || wrong != nil {
			t.Errorf("%+v %v, want %+v", tc.in, wrong, tc.want)
		}
	}
	for want, o := range map[string]Output{
		"quality has no meaning with the format png": {Name: "o", Format: PNG, Quality: 5},
		"from 1 to 6":                          {Name: "o", Format: WebP, Effort: 7},
		"effort has no meaning":                {Name: "o", Format: Same, Effort: 1},
		"target-bytes cannot be":               {Name: "o", Format: JPEG, TargetBytes: 10},
		"fit pad needs width and height":       {Name: "o", Fit: FitPad, Width: 5},
		"focus has a meaning only with":        {Name: "o", Focus: "entropy"},
		"same, auto, jpeg":                     {Name: "o", Format: "jpg"},
		"at most 40 characters":                {Name: strings.Repeat("o", 41)},
		"width cannot be \"-1\": it must be":   {Name: "o", Width: -1},
		"background cannot be \"transparent\"": {Name: "o", Background: Transparent},
	} {
		if !slices.ContainsFunc((&Recipe{Name: "r", Outputs: []Output{o}}).check(), func(i issue) bool { return strings.Contains(i.text, want) }) {
			t.Errorf("%+v: not %q", o, want)
		}
	}
}
