package recipe

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tintype/tintype/internal/fault"
)

// Book is a set of recipes by name. It does not change once it is made, and may be
// used from several goroutines.
type Book struct {
	recipes []Recipe // in the order in which people are shown them
	byName  map[string]*Recipe
	rules   []Rule
}

// newBook checks recipes and makes a Book of them.
func newBook(recipes []Recipe) (*Book, error) {
	b := &Book{recipes: slices.Clone(recipes), byName: make(map[string]*Recipe, len(recipes))}
	for i := range recipes {
		r := &b.recipes[i]
		// Checking writes canonical forms, and the lists may be shared with another book.
		r.Params, r.Steps, r.Outputs = slices.Clone(r.Params), slices.Clone(r.Steps), slices.Clone(r.Outputs)
		if issues := r.check(); len(issues) > 0 {
			return nil, fmt.Errorf("recipe %q: %s", r.Name, issues[0])
		}
		if b.byName[r.Name] != nil {
			return nil, fmt.Errorf("recipe %q is there twice", r.Name)
		}
		b.byName[r.Name] = r
	}
	if b.byName[Default] == nil {
		return nil, fmt.Errorf("the default recipe %q is missing", Default)
	}
	return b, nil
}

// Recipes returns all recipes, the default one first. What they hold is shared: it
// must not be changed.
func (b *Book) Recipes() []Recipe { return slices.Clone(b.recipes) }

// Resolve makes a job of a recipe's name and the raw parameters of an upload; the
// empty name is the default recipe. Colours may be "#rgb", "#rrggbb", in either case,
// with or without "#"; numbers are decimal. A parameter that is not given has its
// default; one that the recipe does not know is refused. Errors are permanent
// *fault.Error with CodeUnknownRecipe or CodeBadParameter.
func (b *Book) Resolve(name string, raw map[string]string) (*Job, error) {
	if name == "" {
		name = Default
	}
	r := b.byName[name]
	if r == nil {
		return nil, fault.Permanentf(fault.CodeUnknownRecipe,
			"There is no recipe %s; there are: %s.", quote(name), strings.Join(b.names(), ", "))
	}
	params, values, err := r.bind(raw)
	if err != nil {
		return nil, err
	}
	steps, _, err := r.steps(values)
	if err != nil {
		return nil, fault.Permanentf(fault.CodeBadParameter, "The recipe %q cannot be used with these parameters: %v.", r.Name, err)
	}
	job := &Job{Recipe: r.Name, Params: params, Steps: steps, Outputs: slices.Clone(r.Outputs)}
	job.Hash = hash(job.Steps, job.Outputs)
	return job, nil
}

// steps are the recipe's steps with parameters and defaults filled in. The error, at the
// step of that index, says which values do not go together.
func (r *Recipe) steps(values map[string]Value) (steps []Step, index int, err error) {
	for i, s := range r.Steps {
		k := kindOf(s.Kind)
		for _, f := range k.fields {
			v := f.at(&s)
			if ref, ok := reference(*v); ok {
				*v = values[ref]
			} else if *v = Value(literal(*v)); *v == "" {
				*v = Value(f.def)
			}
		}
		if s.Kind == StepWatermark && s.Image == "" && s.Text == "" {
			continue // a parameter says that there is to be none
		}
		if k.finish != nil {
			if err := k.finish(&s); err != nil {
				return nil, i, fmt.Errorf("the step %s: %w", s.Kind, err)
			}
		}
		steps = append(steps, s)
	}
	return steps, 0, nil
}

func (b *Book) names() []string {
	names := make([]string, len(b.recipes))
	for i, r := range b.recipes {
		names[i] = r.Name
	}
	return names
}

// bind validates raw parameters. It returns them typed, and as canonical text.
func (r *Recipe) bind(raw map[string]string) (Params, map[string]Value, error) {
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		if !slices.ContainsFunc(r.Params, func(p Param) bool { return p.Name == name }) {
			return nil, nil, fault.Permanentf(fault.CodeBadParameter,
				"The recipe %q has no parameter %s; %s.", r.Name, quote(name), r.allowed())
		}
	}
	params := make(Params, len(r.Params))
	values := make(map[string]Value, len(r.Params))
	for _, p := range r.Params {
		text, given := raw[p.Name]
		rule := p.rule()
		if !given {
			text, _ = p.defaultText()
		}
		value, typed, err := rule.parse(text)
		if err != nil {
			return nil, nil, fault.Permanentf(fault.CodeBadParameter,
				"The parameter %q of the recipe %q cannot be %s: %s.", p.Name, r.Name, quote(text), rule.wanted())
		}
		params[p.Name], values[p.Name] = typed, value
	}
	return params, values, nil
}

// quote shows untrusted text within a message, cut to a length that leaves the
// message readable.
func quote(s string) string {
	const most = 40
	if len(s) > most {
		return fmt.Sprintf("%q…", s[:most])
	}
	return fmt.Sprintf("%q", s)
}
