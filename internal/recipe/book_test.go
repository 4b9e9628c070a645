package recipe

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/tintype/tintype/internal/fault"
)

func TestResolveCanonicalises(t *testing.T) {
	book := Builtin()
	for _, tc := range []struct {
		recipe string
		raw    map[string]string
		want   string // recipe and steps as JSON
	}{
		{"", nil, `tint [{"kind":"tint","color":"#ff8800","strength":"1"}]`},
		{"tint", map[string]string{"tint": "#F80", "strength": "0.50"}, `tint [{"kind":"tint","color":"#ff8800","strength":"0.5"}]`},
		{"tint", map[string]string{"tint": "0aF", "strength": "1e-1"}, `tint [{"kind":"tint","color":"#00aaff","strength":"0.1"}]`},
		{"tint", map[string]string{"tint": "AABBCC", "strength": "-0"}, `tint [{"kind":"tint","color":"#aabbcc","strength":"0"}]`},
		{"grayscale", map[string]string{}, `grayscale [{"kind":"grayscale"}]`},
		{"sepia", map[string]string{"strength": ".25"}, `sepia [{"kind":"sepia","strength":"0.25"}]`},
		{"duotone", map[string]string{"light": "#FFF"}, `duotone [{"kind":"duotone","dark":"#1b1464","light":"#ffffff"}]`},
		{"thumbnail", nil, `thumbnail null`},
	} {
		job, err := book.Resolve(tc.recipe, tc.raw)
		if err != nil {
			t.Errorf("Resolve(%q, %v): %v", tc.recipe, tc.raw, err)
			continue
		}
		steps, _ := json.Marshal(job.Steps)
		if got := job.Recipe + " " + string(steps); got != tc.want {
			t.Errorf("Resolve(%q, %v)\n got %s\nwant %s", tc.recipe, tc.raw, got, tc.want)
		}
	}
}

func TestResolveParamsAreComplete(t *testing.T) {
	job, err := Builtin().Resolve("tint", map[string]string{"tint": "#ABC"})
	if err != nil {
		t.Fatal(err)
	}
	if want := (Params{"tint": "#aabbcc", "strength": 1.0}); !maps.Equal(job.Params, want) {
		t.Errorf("params %v, want %v", job.Params, want)
	}
}

func TestResolveRefuses(t *testing.T) {
	book := Builtin()
	long := strings.Repeat("x", 10_000)
	for _, tc := range []struct {
		recipe string
		raw    map[string]string
		code   string
		words  []string // that the message must hold
	}{
		{"nope", nil, fault.CodeUnknownRecipe, []string{`"nope"`, "tint, grayscale"}},
		{"TINT", nil, fault.CodeUnknownRecipe, []string{`"TINT"`}},
		{long, nil, fault.CodeUnknownRecipe, []string{"…"}},
		{"tint", map[string]string{"colour": "#fff"}, fault.CodeBadParameter, []string{`"colour"`, "tint, strength"}},
		{"grayscale", map[string]string{"strength": "1"}, fault.CodeBadParameter, []string{`"strength"`, "it has none"}},
		{"tint", map[string]string{"tint": "orange"}, fault.CodeBadParameter, []string{`"tint"`, `"orange"`, "#ff8800"}},
		{"tint", map[string]string{"tint": ""}, fault.CodeBadParameter, []string{`""`}},
		{"tint", map[string]string{"tint": "#ffff"}, fault.CodeBadParameter, []string{`"#ffff"`}},
		{"tint", map[string]string{"tint": "##fff"}, fault.CodeBadParameter, nil},
		{"tint", map[string]string{"tint": " #fff"}, fault.CodeBadParameter, nil},
		{"tint", map[string]string{"tint": "#ggg"}, fault.CodeBadParameter, nil},
		{"tint", map[string]string{"tint": "#ſff"}, fault.CodeBadParameter, nil},
		{"tint", map[string]string{"tint": "$strength"}, fault.CodeBadParameter, nil},
		{"tint", map[string]string{"tint": long}, fault.CodeBadParameter, []string{"…"}},
		{"tint", map[string]string{"strength": "1.01"}, fault.CodeBadParameter, []string{`"1.01"`, "0 to 1"}},
		{"tint", map[string]string{"strength": "-0.1"}, fault.CodeBadParameter, nil},
		{"tint", map[string]string{"strength": "NaN"}, fault.CodeBadParameter, nil},
		{"tint", map[string]string{"strength": "inf"}, fault.CodeBadParameter, nil},
		{"tint", map[string]string{"strength": "1e999"}, fault.CodeBadParameter, nil},
		{"tint", map[string]string{"strength": "0x1p-1"}, fault.CodeBadParameter, nil},
		{"tint", map[string]string{"strength": "0,5"}, fault.CodeBadParameter, nil},
		{"tint", map[string]string{"strength": ""}, fault.CodeBadParameter, nil},
	} {
		_, err := book.Resolve(tc.recipe, tc.raw)
		f := fault.As(err)
		if f == nil || f.Code != tc.code || f.Kind != fault.Permanent {
			t.Errorf("Resolve(%.20q, %.40v): %v, want code %s", tc.recipe, tc.raw, err, tc.code)
			continue
		}
		if len(f.Message) > 300 {
			t.Errorf("message of %d bytes", len(f.Message))
		}
		for _, w := range tc.words {
			if !strings.Contains(f.Message, w) {
				t.Errorf("message %q lacks %q", f.Message, w)
			}
		}
	}
}

func TestBuiltinTintOutputs(t *testing.T) {
	job, err := Builtin().Resolve(Default, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []Output{
		{Name: "full", Format: Same},
		{Name: "large", Width: 1600, Height: 1600, Format: Auto},
		{Name: "thumb", Width: 320, Height: 320, Format: Auto},
	}
	if !slices.Equal(job.Outputs, want) {
		t.Errorf("outputs %+v, want %+v", job.Outputs, want)
	}
}

// TestJobsDoNotShare shows that a caller who changes a job changes no later one.
func TestJobsDoNotShare(t *testing.T) {
	book := Builtin()
	first, err := book.Resolve("tint", map[string]string{"tint": "#123456"})
	if err != nil {
		t.Fatal(err)
	}
	first.Outputs[0].Name, first.Steps[0].Color = "changed", "#000000"
	second, err := book.Resolve("tint", nil)
	if err != nil {
		t.Fatal(err)
	}
	if second.Outputs[0].Name != "full" || second.Steps[0].Color != "#ff8800" {
		t.Errorf("second job is %+v", second)
	}
}

func TestNewBookRefuses(t *testing.T) {
	good := func() Recipe { return Builtin().Recipes()[0] }
	for name, change := range map[string]func(*Recipe){
		"name":            func(r *Recipe) { r.Name = "Tint!" },
		"no outputs":      func(r *Recipe) { r.Outputs = nil },
		"output twice":    func(r *Recipe) { r.Outputs = append(slices.Clone(r.Outputs), r.Outputs[0]) },
		"output name":     func(r *Recipe) { r.Outputs = []Output{{Name: "../x", Format: Same}} },
		"output format":   func(r *Recipe) { r.Outputs = []Output{{Name: "x", Format: "bmp"}} },
		"output width":    func(r *Recipe) { r.Outputs = []Output{{Name: "x", Format: Same, Width: -1}} },
		"step kind":       func(r *Recipe) { r.Steps = []Step{{Kind: "blur"}} },
		"step reference":  func(r *Recipe) { r.Steps = []Step{{Kind: StepTint, Color: "$nope", Strength: "1"}} },
		"step wrong type": func(r *Recipe) { r.Steps = []Step{{Kind: StepTint, Color: "$strength", Strength: "1"}} },
		"step number":     func(r *Recipe) { r.Steps = []Step{{Kind: StepTint, Color: "#fff", Strength: "2"}} },
		"default":         func(r *Recipe) { r.Params = []Param{{Name: "a", Type: Color, Default: "red"}} },
		"param type":      func(r *Recipe) { r.Params = []Param{{Name: "a", Type: "date", Default: "x"}} },
	} {
		r := good()
		change(&r)
		if _, err := newBook([]Recipe{good(), r}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := newBook([]Recipe{good(), good()}); err == nil {
		t.Error("the same name twice: accepted")
	}
}

// FuzzResolve: every answer is either a job in canonical form, which resolves to
// itself, or a permanent fault.
func FuzzResolve(f *testing.F) {
	f.Add("tint", "tint", "#F80", "strength", "0.5")
	f.Add("", "strength", "1e-300", "tint", "fff")
	f.Add("duotone", "dark", "#000", "light", "#FFFFFF")
	f.Add("web", "x", "", "", "\x00")
	f.Add("nope", "tint", "$tint", "strength", "-0")
	book := Builtin()
	f.Fuzz(func(t *testing.T, name, k1, v1, k2, v2 string) {
		job, err := book.Resolve(name, map[string]string{k1: v1, k2: v2})
		if err != nil {
			if fl := fault.As(err); fl == nil || fl.Kind != fault.Permanent || fl.Message == "" {
				t.Fatalf("error %#v", err)
			}
			return
		}
		raw := make(map[string]string)
		for k, v := range job.Params {
			raw[k] = fmt.Sprint(v)
		}
		again, err := book.Resolve(job.Recipe, raw)
		if err != nil {
			t.Fatalf("canonical parameters %v are refused: %v", raw, err)
		}
		if again.Hash != job.Hash {
			t.Fatalf("hash changes from %s to %s", job.Hash, again.Hash)
		}
		for _, s := range job.Steps {
			if s.Kind == StepTint {
				if _, _, _, err := s.Color.RGB(); err != nil {
					t.Fatal(err)
				}
				if v, err := s.Strength.Float(); err != nil || v < 0 || v > 1 {
					t.Fatal(v, err)
				}
			}
		}
	})
}
