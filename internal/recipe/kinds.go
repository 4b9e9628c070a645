package recipe

import (
	"errors"
	"slices"
)

// kind is what is known of one kind of step. The table of kinds is the one place where
// the language of steps is written down: checks, defaults, the schema for editors and the
// tables of docs/recipes.md all follow from it.
type kind struct {
	kind   StepKind
	doc    string
	fields []field
	// combine says what is wrong with which values are written, "" where nothing is.
	combine func(has func(name string) bool) string
	// finish brings a step whose values are all there into its canonical form: values
	// without effect go. It is nil where all have.
	finish func(*Step) error
}

// field is one value of a step.
type field struct {
	name     string // in recipe files
	at       func(*Step) *Value
	rule     rule
	def      string // the default; empty: none
	required bool
	doc      string
}

func (k *kind) field(name string) *field {
	i := slices.IndexFunc(k.fields, func(f field) bool { return f.name == name })
	if i < 0 {
		return nil
	}
	return &k.fields[i]
}

func (k *kind) fieldNames() []string {
	var names []string
	for _, f := range k.fields {
		names = append(names, f.name)
	}
	return names
}

func kindOf(k StepKind) *kind {
	i := slices.IndexFunc(kinds, func(t kind) bool { return t.kind == k })
	if i < 0 {
		return nil
	}
	return &kinds[i]
}

func kindNames() []string {
	var names []string
	for _, k := range kinds {
		names = append(names, string(k.kind))
	}
	return names
}

// Words of choices.
var (
	fits      = []string{string(FitInside), string(FitCover), string(FitPad), string(FitFill)}
	fitAlias  = map[string]string{"fit": string(FitInside)}
	focuses   = []string{"center", "attention", "entropy", "point"}
	positions = []string{"center", "top", "bottom", "left", "right", "top-left", "top-right", "bottom-left", "bottom-right", "tile"}
	flips     = []string{"horizontal", "vertical"}
	kept      = []string{"copyright", "icc", "exif-no-gps"}
)

func number(low, high float64) rule  { return rule{typ: Number, min: low, max: high} }
func integer(low, high float64) rule { return rule{typ: Integer, min: low, max: high} }
func choice(words []string) rule     { return rule{typ: Choice, words: words} }

// kinds are in the order in which people are shown them.
var kinds = []kind{
	{kind: StepTint, doc: "One hue for the whole picture; its light and shade stay.", fields: []field{
		{"color", func(s *Step) *Value { return &s.Color }, rule{typ: Color}, "", true, "The colour."},
		{"strength", func(s *Step) *Value { return &s.Strength }, number(0, 1), "1", false, "0 leaves the picture as it is, 1 is all."},
	}},
	{kind: StepGrayscale, doc: "Black and white."},
	{kind: StepSepia, doc: "The brown of old photographs.", fields: []field{
		{"strength", func(s *Step) *Value { return &s.Strength }, number(0, 1), "1", false, "0 leaves the picture as it is, 1 is all."},
	}},
	{kind: StepDuotone, doc: "Two colours: one for the dark, one for the light.", fields: []field{
		{"dark", func(s *Step) *Value { return &s.Dark }, rule{typ: Color}, "", true, "The colour that black becomes."},
		{"light", func(s *Step) *Value { return &s.Light }, rule{typ: Color}, "", true, "The colour that white becomes."},
	}},
	{kind: StepAdjust, doc: "Brightness, contrast, saturation and hue.", fields: []field{
		{"brightness", func(s *Step) *Value { return &s.Brightness }, number(0, 4), "1", false, "Factor of every channel; 1: as it is."},
		{"contrast", func(s *Step) *Value { return &s.Contrast }, number(0, 4), "1", false, "Factor of the distance from mid grey; 1: as it is."},
		{"saturation", func(s *Step) *Value { return &s.Saturation }, number(0, 4), "1", false, "0 is grey; 1: as it is."},
		{"hue", func(s *Step) *Value { return &s.Hue }, number(-360, 360), "0", false, "Turn of the colour circle, degrees."},
	}},
	{kind: StepBlur, doc: "A Gaussian blur.", fields: []field{
		{"sigma", func(s *Step) *Value { return &s.Sigma }, number(0.3, 100), "", true, "Of the Gaussian, pixels."},
	}},
	{kind: StepSharpen, doc: "An unsharp mask.", fields: []field{
		{"sigma", func(s *Step) *Value { return &s.Sigma }, number(0.3, 10), "1", false, "Of the Gaussian, pixels."},
		{"amount", func(s *Step) *Value { return &s.Amount }, number(0, 10), "1", false, "0 leaves the picture as it is; 1 is a mask of 100 %."},
	}},
	{kind: StepRotate, doc: "A turn; the picture grows so that nothing is cut.", fields: []field{
		{"angle", func(s *Step) *Value { return &s.Angle }, number(-360, 360), "", true, "Degrees, clockwise."},
		background(Transparent, "Of the corners that a turn lays bare."),
	}},
	{kind: StepFlip, doc: "A mirror image.", fields: []field{
		{"direction", func(s *Step) *Value { return &s.Direction }, choice(flips), "horizontal", false, "horizontal: left becomes right; vertical: top becomes bottom."},
	}},
	{kind: StepCrop, doc: "A part of the picture: of a size in pixels, or the largest of a ratio.",
		fields: append([]field{
			{"width", func(s *Step) *Value { return &s.Width }, integer(1, maxSide), "", false, "Pixels; with height."},
			{"height", func(s *Step) *Value { return &s.Height }, integer(1, maxSide), "", false, "Pixels; with width."},
			ratioField("In place of width and height: the largest part of this ratio."),
		}, focus()...),
		combine: sizeOrRatio, finish: finishFocus},
	{kind: StepResize, doc: "Another size.",
		fields: append([]field{
			{"width", func(s *Step) *Value { return &s.Width }, integer(0, maxSide), "0", false, "Pixels; 0: as it follows from the height."},
			{"height", func(s *Step) *Value { return &s.Height }, integer(0, maxSide), "0", false, "Pixels; 0: as it follows from the width."},
			{"fit", func(s *Step) *Value { return &s.Fit }, rule{typ: Choice, words: fits, alias: fitAlias}, string(FitInside), false,
				"inside (or fit): whole within them; cover: fills them, what overhangs is cut; pad: whole within them, the rest is background; fill: stretched to exactly them."},
			{"enlarge", func(s *Step) *Value { return &s.Enlarge }, rule{typ: Boolean}, "false", false, "Whether the picture may become larger than it is."},
			background(Transparent, "With fit pad: what fills the rest."),
		}, focus()...),
		combine: func(has func(string) bool) string {
			if !has("width") && !has("height") {
				return "it needs width or height"
			}
			return ""
		}, finish: finishResize},
	{kind: StepWatermark, doc: "A picture or a text laid over the picture.", fields: []field{
		{"image", func(s *Step) *Value { return &s.Image }, rule{typ: assetKey}, "", false, "Key of a picture in the uploads bucket; this or text."},
		{"text", func(s *Step) *Value { return &s.Text }, rule{typ: Text, length: maxText}, "", false, "What is written; this or image. An empty one, from a parameter, leaves the step out. $$ at its start is a dollar sign."},
		{"color", func(s *Step) *Value { return &s.Color }, rule{typ: Color}, "#ffffff", false, "Of the text."},
		{"position", func(s *Step) *Value { return &s.Position }, choice(positions), "bottom-right", false, "Where it lies; tile: everywhere."},
		{"scale", func(s *Step) *Value { return &s.Scale }, number(0.01, 1), "0.2", false, "Its width, as a part of the picture's."},
		{"margin", func(s *Step) *Value { return &s.Margin }, number(0, 0.5), "0.03", false, "From the edge, as a part of the picture's shorter side."},
		{"opacity", func(s *Step) *Value { return &s.Opacity }, number(0, 1), "1", false, "0 is nothing, 1 covers what is below."},
	}, combine: func(has func(string) bool) string {
		switch {
		case has("image") && has("text"):
			return "it has image and text: write one of them"
		case !has("image") && !has("text"):
			return "it needs image or text"
		case has("image") && has("color"):
			return "color goes with text, not with image"
		}
		return ""
	}, finish: func(s *Step) error {
		if s.Image != "" {
			s.Color = ""
		}
		return nil
	}},
	{kind: StepPad, doc: "A frame about the whole picture: of a size in pixels, or the smallest of a ratio.", fields: []field{
		{"width", func(s *Step) *Value { return &s.Width }, integer(1, maxSide), "", false, "Pixels; with height."},
		{"height", func(s *Step) *Value { return &s.Height }, integer(1, maxSide), "", false, "Pixels; with width."},
		ratioField("In place of width and height: the smallest frame of this ratio."),
		background(Transparent, "What fills the frame."),
	}, combine: sizeOrRatio},
	{kind: StepFlatten, doc: "Transparency gives way to a colour.", fields: []field{
		{"background", func(s *Step) *Value { return &s.Background }, rule{typ: Color}, "#ffffff", false, "The colour."},
	}},
	{kind: StepStrip, doc: "All metadata goes; so it does without this step."},
	{kind: StepKeep, doc: "Some metadata stays.", fields: []field{
		{"metadata", func(s *Step) *Value { return &s.Metadata }, rule{typ: wordList, words: kept}, "", true,
			"copyright: copyright, artist and credit; icc: the colour profile; exif-no-gps: Exif but for the place."},
	}},
}

func background(def, doc string) field {
	return field{"background", func(s *Step) *Value { return &s.Background }, rule{typ: paint}, def, false, doc}
}

func ratioField(doc string) field {
	return field{"ratio", func(s *Step) *Value { return &s.Ratio }, rule{typ: ratio}, "", false, doc}
}

// focus are the values that say what a crop keeps.
func focus() []field {
	return []field{
		{"focus", func(s *Step) *Value { return &s.Focus }, choice(focuses), "center", false,
			"What is kept in the middle: center, what draws the eye (attention), what has most detail (entropy), or a point."},
		{"focus-x", func(s *Step) *Value { return &s.FocusX }, number(0, 1), "0.5", false, "With focus point: 0 is left, 1 is right."},
		{"focus-y", func(s *Step) *Value { return &s.FocusY }, number(0, 1), "0.5", false, "With focus point: 0 is the top, 1 is the bottom."},
	}
}

func sizeOrRatio(has func(string) bool) string {
	size := has("width") && has("height")
	part := has("width") != has("height")
	if part || size == has("ratio") {
		return "it needs either width and height, or ratio"
	}
	return ""
}

func finishFocus(s *Step) error {
	if s.Focus != "point" {
		s.FocusX, s.FocusY = "", ""
	}
	return nil
}

func finishResize(s *Step) error {
	if Fit(s.Fit) != FitCover {
		s.Focus = ""
	}
	if Fit(s.Fit) != FitPad {
		s.Background = ""
	}
	switch {
	case s.Width == "0" && s.Height == "0":
		return errors.New("width and height are both 0")
	case Fit(s.Fit) != FitInside && (s.Width == "0" || s.Height == "0"):
		return errors.New("fit " + string(s.Fit) + " needs width and height, neither of them 0")
	}
	return finishFocus(s)
}
