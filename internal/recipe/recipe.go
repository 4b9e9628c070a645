// Package recipe says what is to be done to an image, and what was done.
//
// A Recipe is a list of steps and named outputs with typed parameters. A Book
// resolves a recipe's name and raw parameters, as they come with an upload, into a
// Job: everything substituted, validated and hashed. The Manifest is the record of
// a Job that was done. The package is pure: no I/O, and of ours it imports only
// internal/fault.
package recipe

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
	Color  ParamType = "color"  // "#rgb" or "#rrggbb"; canonical form "#rrggbb", lower case
	Number ParamType = "number" // a float64 within Min..Max
)

// Param is one parameter of a recipe.
type Param struct {
	Name        string    `json:"name"`
	Type        ParamType `json:"type"`
	Default     any       `json:"default"` // string for Color, float64 for Number
	Min         float64   `json:"min,omitempty"`
	Max         float64   `json:"max,omitempty"`
	Description string    `json:"description,omitempty"`
}

// Params are a job's parameter values in canonical form: a string for a Color, a
// float64 for a Number. Every parameter of the recipe is present.
type Params map[string]any

// StepKind names an operation.
type StepKind string

// The operations.
const (
	StepTint      StepKind = "tint"      // Color, Strength
	StepGrayscale StepKind = "grayscale" //
	StepSepia     StepKind = "sepia"     // Strength
	StepDuotone   StepKind = "duotone"   // Dark, Light
)

// Value is a colour or a number as text in canonical form ("#ff8800", "0.5"), or in a
// Recipe a reference to a parameter ("$tint").
type Value string

// Step is one operation on the colours of the oriented 8-bit sRGB image; alpha stays
// as it is. In a Recipe, colours and numbers may be "$name", a reference to a
// parameter; in a Job they are values. The formulas are those of internal/imaging/tone.
// Where no output has the full size, the steps may be done after shrinking.
type Step struct {
	Kind     StepKind `json:"kind"`
	Color    Value    `json:"color,omitempty"`    // tint: the colour
	Strength Value    `json:"strength,omitempty"` // tint, sepia: 0 (nothing) to 1 (all)
	Dark     Value    `json:"dark,omitempty"`     // duotone: the colour of black
	Light    Value    `json:"light,omitempty"`    // duotone: the colour of white
}

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
