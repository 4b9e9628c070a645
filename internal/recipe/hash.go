package recipe

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// hashVersion is raised whenever the same steps and outputs would make another
// picture than before: a changed formula, a changed default of quality. Stored
// results with the old hash then no longer count as current.
const hashVersion = 1

// The canonical form: JSON without white space or HTML escapes, members in the order
// written here, empty ones left out. It is apart from the types of the API so that
// these may grow without any hash changing.
type (
	canonicalJob struct {
		Version int               `json:"v"`
		Steps   []canonicalStep   `json:"steps"`
		Outputs []canonicalOutput `json:"outputs"`
	}
	canonicalStep struct {
		Kind     StepKind `json:"kind"`
		Color    Value    `json:"color,omitempty"`
		Strength Value    `json:"strength,omitempty"`
		Dark     Value    `json:"dark,omitempty"`
		Light    Value    `json:"light,omitempty"`

		Brightness Value `json:"brightness,omitempty"`
		Contrast   Value `json:"contrast,omitempty"`
		Saturation Value `json:"saturation,omitempty"`
		Hue        Value `json:"hue,omitempty"`

		Sigma  Value `json:"sigma,omitempty"`
		Amount Value `json:"amount,omitempty"`

		Angle      Value `json:"angle,omitempty"`
		Background Value `json:"background,omitempty"`
		Direction  Value `json:"direction,omitempty"`

		Width   Value `json:"width,omitempty"`
		Height  Value `json:"height,omitempty"`
		Ratio   Value `json:"ratio,omitempty"`
		Focus   Value `json:"focus,omitempty"`
		FocusX  Value `json:"focusX,omitempty"`
		FocusY  Value `json:"focusY,omitempty"`
		Fit     Value `json:"fit,omitempty"`
		Enlarge Value `json:"enlarge,omitempty"`

		Image    Value `json:"image,omitempty"`
		Text     Value `json:"text,omitempty"`
		Position Value `json:"position,omitempty"`
		Scale    Value `json:"scale,omitempty"`
		Margin   Value `json:"margin,omitempty"`
		Opacity  Value `json:"opacity,omitempty"`

		Metadata Value `json:"metadata,omitempty"`
	}
	canonicalOutput struct {
		Name    string `json:"name"`
		Width   int    `json:"width,omitempty"`
		Height  int    `json:"height,omitempty"`
		Format  Format `json:"format"`
		Quality int    `json:"quality,omitempty"`
		Effort  int    `json:"effort,omitempty"`

		Fit         Fit    `json:"fit,omitempty"`
		Enlarge     bool   `json:"enlarge,omitempty"`
		Focus       string `json:"focus,omitempty"`
		Background  string `json:"background,omitempty"`
		TargetBytes int    `json:"targetBytes,omitempty"`
	}
)

// canonical is the canonical form of a job's substituted steps and its outputs.
func canonical(steps []Step, outputs []Output) []byte {
	job := canonicalJob{Version: hashVersion, Steps: []canonicalStep{}, Outputs: []canonicalOutput{}}
	for _, s := range steps {
		job.Steps = append(job.Steps, canonicalStep(s))
	}
	for _, o := range outputs {
		job.Outputs = append(job.Outputs, canonicalOutput(o))
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(job); err != nil {
		panic(fmt.Sprintf("recipe: canonical form: %v", err)) // strings and integers always encode
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// hash is the hexadecimal SHA-256 of the canonical form.
func hash(steps []Step, outputs []Output) string {
	sum := sha256.Sum256(canonical(steps, outputs))
	return hex.EncodeToString(sum[:])
}
