package recipe

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// paramKeys are the settings of a parameter, with the types that they go with; nil: all.
var paramKeys = []struct {
	name string
	with []ParamType
	doc  string
}{
	{"type", nil, "The type: color, number, integer, boolean, choice or text."},
	{"default", nil, "The value where an upload gives none."},
	{"description", nil, "What it is, for people."},
	{"min", []ParamType{Number, Integer}, "The least value; without it as the steps allow that use it."},
	{"max", []ParamType{Number, Integer}, "The greatest value; without it as the steps allow that use it."},
	{"values", []ParamType{Choice}, "What can be chosen."},
	{"max-length", []ParamType{Text}, "The most characters; without it 200."},
}

func paramKeyNames() []string {
	var names []string
	for _, k := range paramKeys {
		names = append(names, k.name)
	}
	return names
}

func (f *fileReader) params(d *draft, p pair) {
	pairs, ok := f.mapping(p.value, "parameters by their names")
	if !ok || len(pairs) > maxParams {
		d.skip[place{"params", -1, ""}], d.unknown[""] = true, true
		if ok {
			f.fail(p.at, "there are %d params; at most %d may be", len(pairs), maxParams)
		}
		return
	}
	for i, q := range pairs {
		d.mark("params", i, "", q.at)
		param, ok := f.param(d, i, q)
		if !ok {
			// What is not known of a parameter cannot be compared with the steps.
			d.skip[place{"params", i, ""}], d.unknown[q.key] = true, true
		}
		d.Params = append(d.Params, param)
	}
}

func (f *fileReader) param(d *draft, i int, p pair) (Param, bool) {
	out := Param{Name: p.key}
	pairs, ok := f.mapping(p.value, "the settings of a parameter: "+strings.Join(paramKeyNames(), ", "))
	if !ok {
		return out, false
	}
	given := map[string]pair{}
	for _, q := range pairs {
		if !slices.Contains(paramKeyNames(), q.key) {
			f.unknown(q, "a parameter", paramKeyNames())
			ok = false
			continue
		}
		given[q.key] = q
		d.mark("params", i, q.key, q.at)
	}
	for _, need := range []string{"type", "default"} {
		if _, is := given[need]; !is {
			f.fail(p.at, "the parameter %s has no %s", quote(p.key), need)
			ok = false
		}
	}
	if !ok {
		return out, false
	}
	t, ok := f.text(given["type"], "one of: "+strings.Join(paramTypes, ", "))
	out.Type = ParamType(t)
	if !slices.Contains(paramTypes, t) {
		if ok {
			f.fail(given["type"].at, "there is no type %s%s; there are: %s", quote(t), nearest(t, paramTypes), strings.Join(paramTypes, ", "))
		}
		return out, false
	}
	for _, k := range paramKeys {
		if q, is := given[k.name]; is && k.with != nil && !slices.Contains(k.with, out.Type) {
			f.fail(q.at, "%s goes with %v, not with %s", k.name, typeNames(k.with), out.Type)
			ok = false
		}
	}
	return out, f.settings(d, &out, given) && ok
}

// settings reads what a parameter of a known type has.
func (f *fileReader) settings(d *draft, p *Param, given map[string]pair) bool {
	ok := true
	read := func(name, wanted string, set func(text string) error) {
		q, is := given[name]
		if !is {
			return
		}
		text, plain := f.text(q, wanted)
		if plain {
			if err := set(text); err != nil {
				f.fail(positionOf(q.value), "%s cannot be %s: %s", name, quote(text), wanted)
				plain = false
			}
		}
		ok = ok && plain
	}
	if q, is := given["description"]; is {
		p.Description = f.description(q)
	}
	if q, is := given["values"]; is && p.Type == Choice {
		var fine bool
		p.Values, fine = f.texts(q, "a text")
		ok = ok && fine
	}
	if p.Type == Text {
		read("max-length", fmt.Sprintf("it must be a whole number from 1 to %d", maxText), func(text string) error {
			r := integer(1, maxText)
			_, n, err := r.parse(text)
			if v, is := n.(float64); is {
				p.MaxLength = int(v)
			}
			return err
		})
	}
	if p.Type == Number || p.Type == Integer {
		for name, to := range map[string]*float64{"min": &p.Min, "max": &p.Max} {
			if _, is := given[name]; !is {
				d.ranges = append(d.ranges, p.Name+" "+name)
			}
			read(name, "it must be a number", func(text string) (err error) {
				*to, err = parseNumber(text)
				return err
			})
		}
	}
	read("default", "it must be a value of the type "+string(p.Type), func(text string) (err error) {
		p.Default, err = typed(p.Type, text)
		return err
	})
	return ok
}

// typed is a default of the type that a Param holds it in; ranges are looked at later.
func typed(t ParamType, text string) (any, error) {
	switch t {
	case Number, Integer:
		return parseNumber(text)
	case Boolean:
		r := rule{typ: Boolean}
		if _, v, err := r.parse(text); err == nil {
			return v, nil
		}
		return nil, strconv.ErrSyntax
	default:
		return text, nil
	}
}

func typeNames(types []ParamType) string {
	var names []string
	for _, t := range types {
		names = append(names, string(t))
	}
	return strings.Join(names, " and ")
}

// inferRanges gives numbers without a least or greatest value what all steps allow that
// use them.
func (d *draft) inferRanges() {
	for i := range d.Params {
		p := &d.Params[i]
		if p.Type != Number && p.Type != Integer {
			continue
		}
		noMin, noMax := slices.Contains(d.ranges, p.Name+" min"), slices.Contains(d.ranges, p.Name+" max")
		used := false
		for j := range d.Steps {
			k := kindOf(d.Steps[j].Kind)
			if k == nil {
				continue
			}
			for _, f := range k.fields {
				ref, ok := reference(*f.at(&d.Steps[j]))
				if !ok || ref != p.Name || f.rule.typ != Number && f.rule.typ != Integer {
					continue
				}
				if noMin && (!used || f.rule.min > p.Min) {
					p.Min = f.rule.min
				}
				if noMax && (!used || f.rule.max < p.Max) {
					p.Max = f.rule.max
				}
				used = true
			}
		}
		if v, ok := p.Default.(float64); ok && !used { // that nothing uses it is told already
			if noMin {
				p.Min = min(v, p.Max)
			}
			if noMax {
				p.Max = max(v, p.Min)
			}
		}
	}
}
