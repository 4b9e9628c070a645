package recipe

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// outputField is one setting of an output, as outputFields lists them.
type outputField struct {
	name string // in recipe files
	rule rule
	def  string // in words where it is no value
	doc  string
	get  func(*Output) string        // the value's text, "" where it is not set
	set  func(*Output, Value, any)   // of what the rule parsed
	only func(Format) (bool, string) // whether it goes with a format, and with which it does; nil: all
}

var formats = []string{string(Same), string(Auto), string(JPEG), string(PNG), string(WebP), string(AVIF), string(GIF), string(TIFF)}

// efforts are the encoders' ranges of effort, from 1.
var efforts = map[Format]int{PNG: 9, WebP: 6, AVIF: 9, GIF: 10}

// outputFields is for outputs what kinds is for steps.
var outputFields = []outputField{
	{"width", integer(0, maxSide), "0", "Bound in pixels; 0: none.", intOf(func(o *Output) *int { return &o.Width }), setInt(func(o *Output) *int { return &o.Width }), nil},
	{"height", integer(0, maxSide), "0", "Bound in pixels; 0: none.", intOf(func(o *Output) *int { return &o.Height }), setInt(func(o *Output) *int { return &o.Height }), nil},
	{"fit", rule{typ: Choice, words: fits, alias: fitAlias}, string(FitInside), "How the picture comes to lie within width and height, as in the step resize.",
		func(o *Output) string { return string(o.Fit) }, func(o *Output, v Value, _ any) { o.Fit = Fit(v) }, nil},
	{"enlarge", rule{typ: Boolean}, "false", "Whether the picture may become larger than it is.",
		func(o *Output) string {
			if o.Enlarge {
				return "true"
			}
			return ""
		}, func(o *Output, _ Value, v any) { o.Enlarge, _ = v.(bool) }, nil},
	{"focus", choice([]string{"center", "attention", "entropy"}), "center", "With fit cover: what is kept in the middle.",
		func(o *Output) string { return o.Focus }, func(o *Output, v Value, _ any) { o.Focus = string(v) }, nil},
	{"background", rule{typ: Color}, "#ffffff", "With fit pad, and in formats without transparency.",
		func(o *Output) string { return o.Background }, func(o *Output, v Value, _ any) { o.Background = string(v) }, nil},
	{"format", choice(formats), string(Auto), "same: the source's own, where it can be written; auto: what every browser shows.",
		func(o *Output) string { return string(o.Format) }, func(o *Output, v Value, _ any) { o.Format = Format(v) }, nil},
	{"quality", integer(1, 100), "the format's", "Of JPEG (80), WebP (80) and AVIF (50).",
		intOf(func(o *Output) *int { return &o.Quality }), setInt(func(o *Output) *int { return &o.Quality }), lossy},
	{"effort", integer(1, 10), "the format's", "Of the encoder: 1 to 9 for PNG and AVIF, to 6 for WebP, to 10 for GIF.",
		intOf(func(o *Output) *int { return &o.Effort }), setInt(func(o *Output) *int { return &o.Effort }),
		func(f Format) (bool, string) { return efforts[f] > 0, "png, webp, avif and gif" }},
	{"target-bytes", integer(1000, 50_000_000), "none", "The best quality whose file is no larger than this; for JPEG, WebP and AVIF.",
		intOf(func(o *Output) *int { return &o.TargetBytes }), setInt(func(o *Output) *int { return &o.TargetBytes }), lossy},
}

// lossy are the formats with a quality; same and auto may become one of them.
func lossy(f Format) (bool, string) {
	return slices.Contains([]Format{Same, Auto, JPEG, WebP, AVIF}, f), "jpeg, webp, avif, same and auto"
}

func intOf(at func(*Output) *int) func(*Output) string {
	return func(o *Output) string {
		if n := *at(o); n != 0 {
			return strconv.Itoa(n)
		}
		return ""
	}
}

func setInt(at func(*Output) *int) func(*Output, Value, any) {
	return func(o *Output, _ Value, v any) {
		f, _ := v.(float64)
		*at(o) = int(f)
	}
}

func outputFieldNames() []string {
	var names []string
	for _, f := range outputFields {
		names = append(names, f.name)
	}
	return names
}

func outputFieldOf(name string) *outputField {
	i := slices.IndexFunc(outputFields, func(f outputField) bool { return f.name == name })
	if i < 0 {
		return nil
	}
	return &outputFields[i]
}

// check brings an output into its canonical form, in which what is the default is left
// out, and tells what is wrong with it.
func (o *Output) check(tell func(field, text string)) {
	if !nameForm.MatchString(o.Name) || len(o.Name) > maxName {
		tell("", "the name "+quote(o.Name)+" cannot be: "+nameRule)
	}
	fine := true
	for _, f := range outputFields {
		text := f.get(o)
		if text == "" {
			continue
		}
		v, typed, err := f.rule.parse(text)
		if err != nil {
			tell(f.name, fmt.Sprintf("%s cannot be %s: %s", f.name, quote(text), f.rule.wanted()))
			fine = false
			continue
		}
		f.set(o, v, typed)
	}
	if o.Format == "" {
		o.Format = Auto
	}
	if !fine {
		return
	}
	for _, f := range outputFields {
		if f.only == nil || f.get(o) == "" {
			continue
		}
		if ok, with := f.only(o.Format); !ok {
			tell(f.name, fmt.Sprintf("%s has no meaning with the format %s, only with %s", f.name, o.Format, with))
		}
	}
	if most := efforts[o.Format]; most > 0 && o.Effort > most {
		tell("effort", fmt.Sprintf("effort cannot be %d with the format %s: from 1 to %d", o.Effort, o.Format, most))
	}
	if o.Fit == FitInside {
		o.Fit = ""
	}
	if o.Fit != "" && (o.Width == 0 || o.Height == 0) {
		tell("fit", fmt.Sprintf("fit %s needs width and height", o.Fit))
	}
	if o.Focus != "" && o.Fit != FitCover {
		tell("focus", "focus has a meaning only with fit cover")
	}
	if o.Focus == "center" {
		o.Focus = ""
	}
	if strings.EqualFold(o.Background, "#ffffff") {
		o.Background = ""
	}
}
