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
}

// newBook checks recipes and makes a Book of them.
func newBook(recipes []Recipe) (*Book, error) {
	b := &Book{recipes: recipes, byName: make(map[string]*Recipe, len(recipes))}
	for i := range recipes {
		r := &recipes[i]
		if err := r.check(); err != nil {
			return nil, fmt.Errorf("recipe %q: %w", r.Name, err)
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
	job := &Job{Recipe: r.Name, Params: params, Outputs: slices.Clone(r.Outputs)}
	for _, s := range r.Steps {
		for _, v := range s.values() {
			if ref, ok := strings.CutPrefix(string(*v), "$"); ok {
				*v = values[ref]
			}
		}
		job.Steps = append(job.Steps, s)
	}
	job.Hash = hash(job.Steps, job.Outputs)
	return job, nil
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
		if !given {
			text = p.defaultText()
		}
		value, typed, err := p.parse(text)
		if err != nil {
			return nil, nil, fault.Permanentf(fault.CodeBadParameter,
				"The parameter %q of the recipe %q cannot be %s: %s.", p.Name, r.Name, quote(text), p.wanted())
		}
		params[p.Name], values[p.Name] = typed, value
	}
	return params, values, nil
}

func (r *Recipe) allowed() string {
	if len(r.Params) == 0 {
		return "it has none"
	}
	names := make([]string, len(r.Params))
	for i, p := range r.Params {
		names[i] = p.Name
	}
	return "it has: " + strings.Join(names, ", ")
}

// parse returns text's canonical form and its typed value.
func (p *Param) parse(text string) (Value, any, error) {
	switch p.Type {
	case Color:
		c, err := parseColor(text)
		return Value(c), c, err
	case Number:
		f, err := parseNumber(text)
		if err == nil && (f < p.Min || f > p.Max) {
			err = fmt.Errorf("out of range")
		}
		return Value(formatNumber(f)), f, err
	default:
		return "", nil, fmt.Errorf("parameter type %q is unknown", p.Type)
	}
}

func (p *Param) defaultText() string {
	switch d := p.Default.(type) {
	case string:
		return d
	case float64:
		return formatNumber(d)
	default:
		return ""
	}
}

// wanted says in words for people what the parameter may be.
func (p *Param) wanted() string {
	if p.Type == Color {
		return "it must be a colour such as #f80 or #ff8800"
	}
	return "it must be a number from " + formatNumber(p.Min) + " to " + formatNumber(p.Max)
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
