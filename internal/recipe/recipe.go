// Package recipe says what is to be done to an image, and what was done.
//
// A Recipe is a list of steps and named outputs with typed parameters. A Book
// resolves a recipe's name and raw parameters, as they come with an upload, into a
// Job: everything substituted, validated and hashed. The Manifest is the record of
// a Job that was done. The package is pure: no I/O, and of ours it imports only
// internal/fault.
package recipe

import (
	"fmt"
	"slices"
	"strconv"
)

// Default is the name of the recipe used where an upload names none.
const Default = "tint"

// Recipe is steps and outputs, with parameters that an upload may set.
type Recipe struct {
	Name        string   `json:"name"`
	Description string   `json:"description"`
	Params      []Param  `json:"params,omitempty"`
	Steps       []Step   `json:"steps"`
	Outputs     []Output `json:"outputs"`
}

// ParamType is the type of a parameter.
type ParamType string

// The types of parameters.
const (
	Color   ParamType = "color"   // "#rgb" or "#rrggbb"; canonical form "#rrggbb", lower case
	Number  ParamType = "number"  // a float64 within Min..Max
	Integer ParamType = "integer" // a whole number within Min..Max
	Boolean ParamType = "boolean" // true or false
	Choice  ParamType = "choice"  // one of Values
	Text    ParamType = "text"    // at most MaxLength characters, none of them a control character
)

// Param is one parameter of a recipe.
type Param struct {
	Name        string    `json:"name"`
	Type        ParamType `json:"type"`
	Default     any       `json:"default"` // of the type that Params has
	Min         float64   `json:"min,omitempty"`
	Max         float64   `json:"max,omitempty"`
	Values      []string  `json:"values,omitempty"`    // of a Choice
	MaxLength   int       `json:"maxLength,omitempty"` // of a Text; 0: 200
	Description string    `json:"description,omitempty"`
}

// Params are a job's parameter values in canonical form: a string for a Color, Choice or
// Text, a float64 for a Number or Integer, a bool for a Boolean. Every parameter of the
// recipe is present.
type Params map[string]any

// Raw are the parameters as an upload would give them. Read back from JSON they are of the
// same types.
func (p Params) Raw() map[string]string {
	raw := make(map[string]string, len(p))
	for name, v := range p {
		switch v := v.(type) {
		case string:
			raw[name] = v
		case bool:
			raw[name] = strconv.FormatBool(v)
		case float64:
			raw[name] = strconv.FormatFloat(v, 'f', -1, 64)
		default:
			raw[name] = fmt.Sprint(v)
		}
	}
	return raw
}

// StepKind names an operation.
type StepKind string

// The operations. Those on colours leave size and alpha as they are; the others change
// the picture's geometry, or what is kept of the file besides its pixels.
const (
	StepTint      StepKind = "tint"      // Color, Strength
	StepGrayscale StepKind = "grayscale" //
	StepSepia     StepKind = "sepia"     // Strength
	StepDuotone   StepKind = "duotone"   // Dark, Light
	StepAdjust    StepKind = "adjust"    // Brightness, Contrast, Saturation, Hue
	StepBlur      StepKind = "blur"      // Sigma
	StepSharpen   StepKind = "sharpen"   // Sigma, Amount
	StepRotate    StepKind = "rotate"    // Angle, Background
	StepFlip      StepKind = "flip"      // Direction
	StepCrop      StepKind = "crop"      // Width and Height, or Ratio; Focus, FocusX, FocusY
	StepResize    StepKind = "resize"    // Width, Height, Fit, Enlarge; with cover Focus, FocusX, FocusY; with pad Background
	StepWatermark StepKind = "watermark" // Image or Text (with Color); Position, Scale, Margin, Opacity
	StepPad       StepKind = "pad"       // Width and Height, or Ratio; Background
	StepFlatten   StepKind = "flatten"   // Background
	StepStrip     StepKind = "strip"     // all metadata goes, as without it
	StepKeep      StepKind = "keep"      // Metadata
)

// Value is a colour, number, word or text in canonical form ("#ff8800", "0.5"), or in a
// Recipe a reference to a parameter ("$tint").
type Value string

// Step is one operation on the oriented 8-bit sRGB image. In a Recipe, values may be
// "$name", a reference to a parameter; in a Job they are values, and every value that the
// kind uses is there, defaults included, while those without effect (a focus without a
// cut) are not. Colour formulas are those of
// internal/imaging/tone. Lengths are pixels of the picture as it is when the step comes.
type Step struct {
	Kind     StepKind `json:"kind"`
	Color    Value    `json:"color,omitempty"`    // tint, watermark's text: the colour
	Strength Value    `json:"strength,omitempty"` // tint, sepia: 0 (nothing) to 1 (all)
	Dark     Value    `json:"dark,omitempty"`     // duotone: the colour of black
	Light    Value    `json:"light,omitempty"`    // duotone: the colour of white

	Brightness Value `json:"brightness,omitempty"` // adjust: factor of every channel in linear steps of sRGB, 0 to 4; 1: as it is
	Contrast   Value `json:"contrast,omitempty"`   // adjust: factor about mid grey, 0 to 4; 1: as it is
	Saturation Value `json:"saturation,omitempty"` // adjust: 0 (grey) to 4; 1: as it is
	Hue        Value `json:"hue,omitempty"`        // adjust: turn of the colour circle, degrees, -360 to 360

	Sigma  Value `json:"sigma,omitempty"`  // blur, sharpen: of the Gaussian, pixels, 0.3 to 100 (sharpen: 10)
	Amount Value `json:"amount,omitempty"` // sharpen: 0 (nothing) to 10; 1: as an unsharp mask of 100 %

	Angle      Value `json:"angle,omitempty"`      // rotate: degrees clockwise, -360 to 360
	Background Value `json:"background,omitempty"` // rotate, pad, resize with fit pad: a colour or "transparent"; flatten: a colour
	Direction  Value `json:"direction,omitempty"`  // flip: "horizontal" (left becomes right) or "vertical"

	Width   Value `json:"width,omitempty"`   // crop, resize, pad: pixels; resize: 0 or absent: free
	Height  Value `json:"height,omitempty"`  // crop, resize, pad: pixels
	Ratio   Value `json:"ratio,omitempty"`   // crop, pad: "16:9": the largest such part; the smallest such frame
	Focus   Value `json:"focus,omitempty"`   // crop, resize with fit cover: "center", "attention", "entropy" or "point"
	FocusX  Value `json:"focusX,omitempty"`  // focus "point": 0 (left) to 1
	FocusY  Value `json:"focusY,omitempty"`  // focus "point": 0 (top) to 1
	Fit     Value `json:"fit,omitempty"`     // resize: see Fit; "inside" and so on
	Enlarge Value `json:"enlarge,omitempty"` // resize: "true" or "false"

	Image    Value `json:"image,omitempty"`    // watermark: key in the uploads bucket of a picture
	Text     Value `json:"text,omitempty"`     // watermark: UTF-8, at most 200 characters, plain
	Position Value `json:"position,omitempty"` // watermark: "center", "top", "top-left", …, or "tile"
	Scale    Value `json:"scale,omitempty"`    // watermark: its width as a part of the picture's, 0.01 to 1
	Margin   Value `json:"margin,omitempty"`   // watermark: from the edge, as a part of the picture's shorter side, 0 to 0.5
	Opacity  Value `json:"opacity,omitempty"`  // watermark: 0 to 1

	Metadata Value `json:"metadata,omitempty"` // keep: comma-separated, of "copyright" (Exif/IPTC/XMP copyright, artist, credit), "icc", "exif-no-gps"
}

// Fit is how a picture comes to lie within width and height.
type Fit string

// The ways to fit. Without Enlarge none makes a picture larger than it is.
const (
	FitInside Fit = "inside" // whole within them, its proportions kept: the default
	FitCover  Fit = "cover"  // fills them, what overhangs is cut
	FitPad    Fit = "pad"    // whole within them, the rest filled with the background
	FitFill   Fit = "fill"   // stretched to exactly them
)

// Format is an encoding of an output.
type Format string

// The encodings.
const (
	// Same is the source's own format where that can be written: JPEG, PNG, WebP, GIF or
	// TIFF. HEIC and AVIF sources give JPEG, or PNG where there is alpha.
	Same Format = "same"
	// Auto is what every browser shows: the source's own format where that is JPEG, PNG,
	// WebP or GIF, else JPEG, or PNG where there is alpha.
	Auto Format = "auto"

	JPEG Format = "jpeg"
	PNG  Format = "png"
	WebP Format = "webp"
	AVIF Format = "avif"
	GIF  Format = "gif"
	TIFF Format = "tiff"
)

// Output is one picture that a job makes.
type Output struct {
	Name    string `json:"name"`              // part of the object key: [a-z0-9-]+
	Width   int    `json:"width,omitempty"`   // bounding box in pixels, 0: no bound; never enlarges
	Height  int    `json:"height,omitempty"`  // bounding box in pixels, 0: no bound; never enlarges
	Format  Format `json:"format"`            //
	Quality int    `json:"quality,omitempty"` // 1–100, 0: the format's default (JPEG 80, WebP 80, AVIF 50)
	Effort  int    `json:"effort,omitempty"`  // encoder effort, meaning by format; 0: the format's default here

	Fit         Fit    `json:"fit,omitempty"`         // empty: FitInside
	Enlarge     bool   `json:"enlarge,omitempty"`     // may become larger than the picture is
	Focus       string `json:"focus,omitempty"`       // FitCover: "center" (the default), "attention" or "entropy"
	Background  string `json:"background,omitempty"`  // FitPad, and formats without alpha: a colour; empty: white
	TargetBytes int    `json:"targetBytes,omitempty"` // the best quality that stays within; 0: no bound. JPEG, WebP, AVIF
}

// Job is a recipe resolved for one image.
type Job struct {
	Recipe  string
	Params  Params
	Steps   []Step // references substituted
	Outputs []Output
	// Hash is the hexadecimal SHA-256 of the canonical form of Steps and Outputs: two
	// jobs with the same hash make the same picture of the same source. It is stable
	// across versions of the program.
	Hash string
}

// Assets are the keys in the uploads bucket of the further pictures that the job needs,
// sorted, each once.
func (j *Job) Assets() []string {
	var keys []string
	for _, s := range j.Steps {
		if s.Kind == StepWatermark && s.Image != "" {
			keys = append(keys, string(s.Image))
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}
