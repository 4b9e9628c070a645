package recipe

import "fmt"

// Sides of the squares, in pixels, within which the built-in outputs fit.
const (
	largeSide = 1600 // fills a screen
	thumbSide = 320  // a tile of a gallery, at twice the density
)

// Builtin returns the recipes that are always there.
func Builtin() *Book {
	b, err := newBook([]Recipe{
		{
			Name:        "tint",
			Description: "One hue for the whole picture, its light and shade kept.",
			Params: []Param{
				{Name: "tint", Type: Color, Default: "#ff8800", Description: "The colour of the tint."},
				strengthParam(),
			},
			Steps:   []Step{{Kind: StepTint, Color: "$tint", Strength: "$strength"}},
			Outputs: standardOutputs(),
		},
		{
			Name:        "grayscale",
			Description: "Black and white.",
			Steps:       []Step{{Kind: StepGrayscale}},
			Outputs:     standardOutputs(),
		},
		{
			Name:        "sepia",
			Description: "The brown of old photographs.",
			Params:      []Param{strengthParam()},
			Steps:       []Step{{Kind: StepSepia, Strength: "$strength"}},
			Outputs:     standardOutputs(),
		},
		{
			Name:        "duotone",
			Description: "Two colours: one for the dark, one for the light.",
			Params: []Param{
				{Name: "dark", Type: Color, Default: "#1b1464", Description: "The colour that black becomes."},
				{Name: "light", Type: Color, Default: "#ffd166", Description: "The colour that white becomes."},
			},
			Steps:   []Step{{Kind: StepDuotone, Dark: "$dark", Light: "$light"}},
			Outputs: standardOutputs(),
		},
		{
			Name:        "thumbnail",
			Description: "A small copy, colours as they are.",
			Steps:       []Step{},
			Outputs:     []Output{{Name: "thumb", Width: thumbSide, Height: thumbSide, Format: Auto}},
		},
		{
			Name:        "web",
			Description: "A responsive set for srcset: four widths in WebP and JPEG, one in AVIF.",
			Steps:       []Step{},
			Outputs:     webOutputs(),
		},
	})
	if err != nil {
		panic(fmt.Sprintf("recipe: built-in recipes: %v", err)) // a test resolves every one
	}
	return b
}

func strengthParam() Param {
	return Param{Name: "strength", Type: Number, Default: 1.0, Min: 0, Max: 1,
		Description: "How much of it: 0 leaves the picture as it is, 1 is all."}
}

// standardOutputs are the whole picture in its own format, and two smaller ones that
// every browser shows.
func standardOutputs() []Output {
	return []Output{
		{Name: "full", Format: Same},
		{Name: "large", Width: largeSide, Height: largeSide, Format: Auto},
		{Name: "thumb", Width: thumbSide, Height: thumbSide, Format: Auto},
	}
}

// webOutputs bounds widths alone, as srcset's "w" descriptors do. AVIF costs ten times
// what JPEG does even at its least effort: hence one middle size.
func webOutputs() []Output {
	var outs []Output
	for _, w := range []int{320, 640, 1280, 1920} {
		outs = append(outs,
			Output{Name: fmt.Sprintf("webp-%d", w), Width: w, Format: WebP},
			Output{Name: fmt.Sprintf("jpeg-%d", w), Width: w, Format: JPEG})
	}
	return append(outs, Output{Name: "avif-640", Width: 640, Format: AVIF, Effort: 1})
}
