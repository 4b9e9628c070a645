package recipe

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// nameForm is the form of the names of recipes and outputs; an output's name becomes
// part of an object key.
var nameForm = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// values are the values that a step holds and its kind uses, in a fixed order.
func (s *Step) values() []*Value {
	switch s.Kind {
	case StepTint:
		return []*Value{&s.Color, &s.Strength}
	case StepSepia:
		return []*Value{&s.Strength}
	case StepDuotone:
		return []*Value{&s.Dark, &s.Light}
	default:
		return nil
	}
}

// check finds what is wrong with a recipe itself, before any upload uses it.
func (r *Recipe) check() error {
	if !nameForm.MatchString(r.Name) {
		return errors.New("the name must be lower-case letters, digits and single hyphens")
	}
	if _, _, err := r.bind(nil); err != nil {
		return fmt.Errorf("a default is not valid: %w", err)
	}
	for i := range r.Steps {
		if err := r.checkStep(&r.Steps[i]); err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
	}
	if len(r.Outputs) == 0 {
		return errors.New("it has no outputs")
	}
	seen := make(map[string]bool)
	for _, o := range r.Outputs {
		if err := o.check(); err != nil {
			return fmt.Errorf("output %q: %w", o.Name, err)
		}
		if seen[o.Name] {
			return fmt.Errorf("output %q is there twice", o.Name)
		}
		seen[o.Name] = true
	}
	return nil
}

func (r *Recipe) checkStep(s *Step) error {
	switch s.Kind {
	case StepTint, StepGrayscale, StepSepia, StepDuotone:
	default:
		return fmt.Errorf("kind %q is unknown", s.Kind)
	}
	for _, v := range s.values() {
		want := Param{Type: Color, Max: 1}
		if v == &s.Strength {
			want.Type = Number
		}
		if ref, ok := strings.CutPrefix(string(*v), "$"); ok {
			i := slices.IndexFunc(r.Params, func(p Param) bool { return p.Name == ref })
			if i < 0 {
				return fmt.Errorf("%s names no parameter", *v)
			}
			p := r.Params[i]
			if p.Type != want.Type || p.Type == Number && (p.Min < want.Min || p.Max > want.Max) {
				return fmt.Errorf("%s is not of the type or range that is wanted here", *v)
			}
			continue
		}
		if _, _, err := want.parse(string(*v)); err != nil {
			return fmt.Errorf("value %q: %w", *v, err)
		}
	}
	return nil
}

func (o *Output) check() error {
	switch o.Format {
	case Same, Auto, JPEG, PNG, WebP, AVIF, GIF, TIFF:
	default:
		return fmt.Errorf("format %q is unknown", o.Format)
	}
	if !nameForm.MatchString(o.Name) {
		return errors.New("the name must be lower-case letters, digits and single hyphens")
	}
	if o.Width < 0 || o.Height < 0 || o.Quality < 0 || o.Quality > 100 || o.Effort < 0 || o.Effort > 10 {
		return errors.New("a number is out of range")
	}
	return nil
}
