package recipe

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Complete is a copy of a recipe with everything written out that holds by default. It
// makes the same jobs.
func Complete(r Recipe) Recipe {
	r.Steps, r.Outputs = slices.Clone(r.Steps), slices.Clone(r.Outputs)
	for i := range r.Steps {
		s := &r.Steps[i]
		k := kindOf(s.Kind)
		for _, f := range k.fields {
			v := f.at(s)
			if *v != "" || f.def == "" {
				continue
			}
			*v = Value(f.def)
			if k.combine != nil && k.combine(func(name string) bool { return *k.field(name).at(s) != "" }) != "" {
				*v = "" // it does not go with what is written
			}
		}
	}
	for i := range r.Outputs {
		o := &r.Outputs[i]
		if o.Fit == "" {
			o.Fit = FitInside
		}
		if o.Focus == "" && o.Fit == FitCover {
			o.Focus = "center"
		}
		if o.Background == "" {
			o.Background = "#ffffff"
		}
	}
	return r
}

// YAML is the recipe as a recipe file of its own.
func (r *Recipe) YAML() []byte {
	var b bytes.Buffer
	line := func(indent int, format string, args ...any) {
		fmt.Fprintf(&b, strings.Repeat("  ", indent)+format+"\n", args...)
	}
	line(0, "recipes:")
	line(1, "%s:", word(r.Name))
	if r.Description != "" {
		line(2, "description: %s", word(r.Description))
	}
	if len(r.Params) > 0 {
		line(2, "params:")
		for _, p := range r.Params {
			line(3, "%s: {%s}", word(p.Name), strings.Join(p.yaml(), ", "))
		}
	}
	if len(r.Steps) > 0 {
		line(2, "steps:")
		for i := range r.Steps {
			line(3, "- %s", r.Steps[i].yaml())
		}
	}
	line(2, "outputs:")
	for i := range r.Outputs {
		var parts []string
		for _, f := range outputFields {
			if text := f.get(&r.Outputs[i]); text != "" {
				parts = append(parts, f.name+": "+word(text))
			}
		}
		line(3, "%s: {%s}", word(r.Outputs[i].Name), strings.Join(parts, ", "))
	}
	return b.Bytes()
}

func (s *Step) yaml() string {
	k := kindOf(s.Kind)
	var parts []string
	for _, f := range k.fields {
		if v := *f.at(s); v != "" {
			parts = append(parts, f.name+": "+word(string(v)))
		}
	}
	if len(parts) == 0 {
		return string(s.Kind)
	}
	return string(s.Kind) + ": {" + strings.Join(parts, ", ") + "}"
}

func (p *Param) yaml() []string {
	text, _ := p.defaultText()
	parts := []string{"type: " + string(p.Type), "default: " + word(text)}
	if p.Type == Number || p.Type == Integer {
		parts = append(parts, "min: "+formatNumber(p.Min), "max: "+formatNumber(p.Max))
	}
	if p.Type == Choice {
		var words []string
		for _, v := range p.Values {
			words = append(words, word(v))
		}
		parts = append(parts, "values: ["+strings.Join(words, ", ")+"]")
	}
	if p.MaxLength > 0 {
		parts = append(parts, fmt.Sprintf("max-length: %d", p.MaxLength))
	}
	if p.Description != "" {
		parts = append(parts, "description: "+word(p.Description))
	}
	return parts
}

// plainWord is what YAML reads as the text, or the number, that it looks like.
var plainWord = regexp.MustCompile(`^(\$?[a-z][a-z0-9-]*|-?(0|[1-9][0-9]*)(\.[0-9]+)?)$`)

// notPlain are words that some reader of YAML takes for something else.
var notPlain = []string{"y", "n", "yes", "no", "on", "off", "null"}

// word is a text as YAML reads it back: plain where that is safe, else in quotes.
func word(s string) string {
	if plainWord.MatchString(s) && !slices.Contains(notPlain, s) {
		return s
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string
	return strings.TrimSpace(b.String())
}
