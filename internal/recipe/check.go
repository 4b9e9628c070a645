package recipe

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
)

// nameForm is the form of the names of recipes, parameters and outputs; an output's name
// becomes part of an object key.
var nameForm = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

const nameRule = "lower-case letters, digits and single hyphens, at most 40 characters"

// Bounds of a recipe.
const (
	maxName    = 40
	maxAbout   = 500 // characters of a description
	maxSteps   = 32
	maxOutputs = 32
	maxParams  = 32
	maxAssets  = 5
)

// place is where in a recipe something is wrong.
type place struct {
	part  string // "name", "description", "params", "steps" or "outputs"
	index int    // within params, steps or outputs; -1: the part as a whole
	field string // within those; empty: the thing as a whole
}

// unused is the field of an issue about a parameter without use.
const unused = "use"

// issue is one thing that is wrong with a recipe.
type issue struct {
	place
	text string
}

func (i issue) String() string {
	switch {
	case i.index < 0:
		return i.text
	case i.part == "steps":
		return fmt.Sprintf("step %d: %s", i.index+1, i.text)
	default:
		return fmt.Sprintf("%s %d: %s", strings.TrimSuffix(i.part, "s"), i.index+1, i.text)
	}
}

// check brings what is written in a recipe into canonical form, in place, and finds all
// that is wrong with it, before any upload uses it.
func (r *Recipe) check() []issue {
	var issues []issue
	tell := func(part string, index int, field, format string, args ...any) {
		issues = append(issues, issue{place{part, index, field}, fmt.Sprintf(format, args...)})
	}
	if !nameForm.MatchString(r.Name) || len(r.Name) > maxName {
		tell("name", -1, "", "the name %s cannot be: %s", quote(r.Name), nameRule)
	}
	if err := checkText(r.Description, maxAbout); err != nil {
		tell("description", -1, "", "the description is %v: at most %d characters", err, maxAbout)
	}
	for _, n := range []struct {
		part      string
		are, most int
	}{{"params", len(r.Params), maxParams}, {"steps", len(r.Steps), maxSteps}, {"outputs", len(r.Outputs), maxOutputs}} {
		if n.are > n.most {
			tell(n.part, -1, "", "there are %d %s; at most %d may be", n.are, n.part, n.most)
			return issues
		}
	}
	sound := true
	for i := range r.Params {
		before := len(issues)
		r.Params[i].check(func(field, text string) { tell("params", i, field, "%s", text) })
		if slices.ContainsFunc(r.Params[:i], func(p Param) bool { return p.Name == r.Params[i].Name }) {
			tell("params", i, "", "the parameter %q is there twice", r.Params[i].Name)
		}
		if !r.uses(r.Params[i].Name) {
			tell("params", i, unused, "no step uses the parameter %s", quote(r.Params[i].Name))
		}
		sound = sound && len(issues) == before
	}
	steps := len(issues)
	for i := range r.Steps {
		r.checkStep(&r.Steps[i], func(field, text string) { tell("steps", i, field, "%s", text) })
	}
	r.checkSteps(func(index int, text string) { tell("steps", index, "", "%s", text) })
	// With sound parts, the whole must make a job out of its defaults.
	if sound && len(issues) == steps {
		if _, index, err := r.steps(r.defaults()); err != nil {
			tell("steps", index, "", "with the parameters' defaults, %v", err)
		}
	}
	if len(r.Outputs) == 0 {
		tell("outputs", -1, "", "it has no outputs")
	}
	for i := range r.Outputs {
		r.Outputs[i].check(func(field, text string) { tell("outputs", i, field, "%s", text) })
		if slices.ContainsFunc(r.Outputs[:i], func(o Output) bool { return o.Name == r.Outputs[i].Name }) {
			tell("outputs", i, "", "the output %q is there twice", r.Outputs[i].Name)
		}
	}
	return issues
}

// checkStep checks one step's values, each by itself.
func (r *Recipe) checkStep(s *Step, tell func(field, text string)) {
	k := kindOf(s.Kind)
	if k == nil {
		tell("", fmt.Sprintf("there is no step %s%s; there are: %s", quote(string(s.Kind)), nearest(string(s.Kind), kindNames()), strings.Join(kindNames(), ", ")))
		return
	}
	fine := true
	bad := func(f *field, format string, args ...any) {
		fine = false
		tell(f.name, f.name+" "+fmt.Sprintf(format, args...))
	}
	for i := range k.fields {
		f := &k.fields[i]
		v := f.at(s)
		ref, isRef := reference(*v)
		switch {
		case *v == "" && f.required:
			fine = false
			tell("", fmt.Sprintf("%s is missing: %s", f.name, f.rule.wanted()))
		case *v == "":
		case isRef:
			p := r.param(ref)
			if p == nil {
				bad(f, "names the parameter %s, which is not among the recipe's; %s", quote(ref), r.allowed())
			} else if pr := p.rule(); !f.rule.takes(&pr) {
				bad(f, "cannot be the parameter %q, a %s: it takes a %s", ref, pr.typ, f.rule.params())
			}
		default:
			c, _, err := f.rule.parse(literal(*v))
			if err != nil {
				bad(f, "cannot be %s: %s", quote(string(*v)), f.rule.wanted())
				continue
			}
			if !strings.HasPrefix(string(*v), "$$") {
				*v = c
			}
		}
	}
	if text := s.strays(k); text != "" {
		tell("", text)
		fine = false
	}
	if fine && k.combine != nil {
		if text := k.combine(func(name string) bool { return *k.field(name).at(s) != "" }); text != "" {
			tell("", text)
		}
	}
}

// strays says which value a step has that its kind does not use.
func (s *Step) strays(k *kind) string {
	for _, other := range kinds {
		for _, f := range other.fields {
			if *f.at(s) != "" && k.field(f.name) == nil {
				return unknownField(k, f.name)
			}
		}
	}
	return ""
}

func unknownField(k *kind, name string) string {
	if len(k.fields) == 0 {
		return fmt.Sprintf("the step %s has no %s: it has no values", k.kind, quote(name))
	}
	return fmt.Sprintf("the step %s has no %s%s; it has: %s", k.kind, quote(name), nearest(name, k.fieldNames()), strings.Join(k.fieldNames(), ", "))
}

// uses reports whether a step has a value that refers to the parameter.
func (r *Recipe) uses(param string) bool {
	for i := range r.Steps {
		k := kindOf(r.Steps[i].Kind)
		if k != nil && slices.ContainsFunc(k.fields, func(f field) bool {
			ref, ok := reference(*f.at(&r.Steps[i]))
			return ok && ref == param
		}) {
			return true
		}
	}
	return false
}

// checkSteps checks what concerns several steps.
func (r *Recipe) checkSteps(tell func(index int, text string)) {
	metadata := 0
	var assets []Value
	for i, s := range r.Steps {
		if s.Kind == StepStrip || s.Kind == StepKeep {
			if metadata++; metadata == 2 {
				tell(i, "strip or keep may be there once")
			}
		}
		if s.Kind == StepWatermark && s.Image != "" && !slices.Contains(assets, s.Image) {
			if assets = append(assets, s.Image); len(assets) == maxAssets+1 {
				tell(i, fmt.Sprintf("there are more than %d pictures for watermarks", maxAssets))
			}
		}
	}
}

// check brings a parameter's default into its canonical form and tells what is wrong.
func (p *Param) check(tell func(field, text string)) {
	if !nameForm.MatchString(p.Name) || len(p.Name) > maxName {
		tell("", "the name "+quote(p.Name)+" cannot be: "+nameRule)
	}
	if p.Name == "file" || p.Name == "recipe" {
		tell("", "a parameter cannot be called "+p.Name+": forms have a field of that name")
	}
	if err := checkText(p.Description, maxAbout); err != nil {
		tell("description", fmt.Sprintf("the description is %v: at most %d characters", err, maxAbout))
	}
	rule := p.rule()
	switch p.Type {
	case Color, Boolean:
	case Number, Integer:
		if !(p.Min <= p.Max) || math.IsInf(p.Max, 0) || math.IsInf(p.Min, 0) {
			tell("min", fmt.Sprintf("its range from %s to %s holds nothing", formatNumber(p.Min), formatNumber(p.Max)))
			return
		}
	case Choice:
		if len(p.Values) == 0 || len(p.Values) > maxChoices {
			tell("values", fmt.Sprintf("a choice needs values: 1 to %d of them", maxChoices))
			return
		}
		for i, v := range p.Values {
			if err := checkText(v, maxText); v == "" || err != nil {
				tell("values", fmt.Sprintf("the value %s cannot be: it must be 1 to %d characters, without control characters", quote(v), maxText))
				return
			}
			if slices.Contains(p.Values[:i], v) {
				tell("values", fmt.Sprintf("the value %s is there twice", quote(v)))
				return
			}
		}
	case Text:
		if p.MaxLength < 0 || p.MaxLength > maxText {
			tell("max-length", fmt.Sprintf("max-length must be a whole number from 1 to %d", maxText))
			return
		}
	default:
		tell("type", fmt.Sprintf("there is no type %s%s; there are: %s", quote(string(p.Type)), nearest(string(p.Type), paramTypes), strings.Join(paramTypes, ", ")))
		return
	}
	text, err := p.defaultText()
	if err == nil {
		var typed any
		if _, typed, err = rule.parse(text); err == nil {
			p.Default = typed
		}
	}
	if err != nil {
		tell("default", fmt.Sprintf("the default cannot be %s: %s", quote(fmt.Sprint(p.Default)), rule.wanted()))
	}
}

var errDefault = errors.New("not of the parameter's type")
