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
	}
	canonicalOutput struct {
		Name    string `json:"name"`
		Width   int    `json:"width,omitempty"`
		Height  int    `json:"height,omitempty"`
		Format  Format `json:"format"`
		Quality int    `json:"quality,omitempty"`
		Effort  int    `json:"effort,omitempty"`
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
