package recipe

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
)

// Bounds of a recipe file.
const (
	MaxFile    = 1 << 20 // bytes
	maxRecipes = 200
	maxErrors  = 50 // told at once
)

// FileError is all that is wrong with a recipe file, in the order of its lines.
type FileError struct {
	Name   string // of the file
	Faults []Fault
}

// Fault is one thing that is wrong. Line and Column count from 1, a column is a character.
type Fault struct {
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Text   string `json:"message"`
}

// Error has a line for each fault: "recipes.yml:3:7: …".
func (e *FileError) Error() string {
	lines := make([]string, len(e.Faults))
	for i, f := range e.Faults {
		lines[i] = fmt.Sprintf("%s:%d:%d: %s", e.Name, f.Line, f.Column, f.Text)
	}
	return strings.Join(lines, "\n")
}

// Parse reads a recipe file: its recipes besides the built-in ones, or in place of those of
// the same name, and its rules. Name is the file's, for messages. The error is a *FileError.
func Parse(name string, text []byte) (*Book, error) {
	f := &fileReader{}
	book := f.read(text)
	if len(f.errs) == 0 {
		return book, nil
	}
	slices.SortStableFunc(f.errs, func(a, b fileError) int {
		return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.column, b.column))
	})
	e := &FileError{Name: name}
	for _, x := range slices.Compact(f.errs) { // an alias repeats what is wrong with its anchor
		if len(e.Faults) == maxErrors {
			e.Faults = append(e.Faults, Fault{x.line, x.column, "and more: these are the first"})
			break
		}
		e.Faults = append(e.Faults, Fault{x.line, x.column, x.text})
	}
	return nil, e
}

// fileReader turns YAML into recipes and rules.
type fileReader struct {
	yamlFile
	own []Recipe // those of the file
}

func (f *fileReader) read(text []byte) *Book {
	switch {
	case len(text) > MaxFile:
		f.fail(position{1, 1}, "the file is larger than %d bytes", MaxFile)
		return nil
	case !utf8.Valid(text):
		f.fail(position{1, 1}, "the file is not UTF-8")
		return nil
	}
	root := f.root(text)
	if root == nil {
		return Builtin()
	}
	top, _ := f.mapping(root, "recipes: and rules:")
	var rules []pair
	for _, p := range top {
		switch p.key {
		case "recipes":
			f.recipes(p)
		case "rules":
			rules = append(rules, p)
		default:
			f.unknown(p, "a file", []string{"recipes", "rules"})
		}
	}
	all := Builtin().Recipes()
	for _, r := range f.own {
		if i := slices.IndexFunc(all, func(b Recipe) bool { return b.Name == r.Name }); i >= 0 {
			all[i] = r
		} else {
			all = append(all, r)
		}
	}
	var book *Book
	if len(f.errs) == 0 {
		var err error
		if book, err = newBook(all); err != nil { // cannot be: each has been checked
			f.fail(position{1, 1}, "%v", err)
		}
	}
	for _, p := range rules {
		f.rules(p, book, all)
	}
	return book
}

// unknown reports a key that nothing knows.
func (f *fileReader) unknown(p pair, of string, known []string) {
	f.fail(p.at, "%s has no %s%s; it has: %s", of, quote(p.key), nearest(p.key, known), strings.Join(known, ", "))
}

func (f *fileReader) recipes(p pair) {
	pairs, _ := f.mapping(p.value, "recipes by their names")
	if len(pairs) > maxRecipes {
		f.fail(p.at, "there are %d recipes; at most %d may be", len(pairs), maxRecipes)
		return
	}
	for _, p := range pairs {
		f.recipe(p)
	}
}

// draft is a recipe with the places of its parts.
type draft struct {
	Recipe
	at      map[place]position
	skip    map[place]bool  // parts whose faults have been told
	partial bool            // some step could not be read: what refers to parameters is unknown
	ranges  []string        // parameters without a range of their own
	unknown map[string]bool // parameters that could not be read; "" stands for all
}

func (d *draft) mark(part string, index int, field string, at position) {
	d.at[place{part, index, field}] = at
}

var recipeKeys = []string{"description", "params", "steps", "outputs"}

func (f *fileReader) recipe(p pair) {
	d := &draft{Recipe: Recipe{Name: p.key, Steps: []Step{}}, at: map[place]position{}, skip: map[place]bool{}, unknown: map[string]bool{}}
	d.mark("name", -1, "", p.at)
	pairs, ok := f.mapping(p.value, "a recipe: "+strings.Join(recipeKeys, ", "))
	if !ok {
		return
	}
	for _, q := range pairs {
		d.mark(q.key, -1, "", q.at)
		switch q.key {
		case "description":
			d.Description = f.description(q)
		case "params":
			f.params(d, q)
		case "steps":
			f.steps(d, q)
		case "outputs":
			f.outputs(d, q)
		default:
			f.unknown(q, "a recipe", recipeKeys)
		}
	}
	d.inferRanges()
	for _, i := range d.check() {
		if d.skip[place{i.part, i.index, ""}] || d.skip[place{i.part, -1, ""}] || i.field == unused && d.partial || d.refersToUnknown(i.place) {
			continue
		}
		f.fail(d.position(i.place), "%s", i.text)
	}
	f.own = append(f.own, d.Recipe)
}

// refersToUnknown reports whether a step's value refers to a parameter that could not be read.
func (d *draft) refersToUnknown(p place) bool {
	if p.part != "steps" || p.index < 0 || p.field == "" {
		return false
	}
	ref, ok := reference(*kindOf(d.Steps[p.index].Kind).field(p.field).at(&d.Steps[p.index]))
	return ok && (d.unknown[ref] || d.unknown[""])
}

// position is the nearest place that is known.
func (d *draft) position(p place) position {
	for _, q := range []place{p, {p.part, p.index, ""}, {p.part, -1, ""}, {"name", -1, ""}} {
		if at, ok := d.at[q]; ok {
			return at
		}
	}
	return position{1, 1}
}

// description is a text on one line, however it is written.
func (f *fileReader) description(p pair) string {
	s, _ := f.text(p, "a text")
	return strings.Join(strings.Fields(s), " ")
}

func (f *fileReader) steps(d *draft, p pair) {
	items, ok := f.list(p.value, "a list of steps")
	if !ok || len(items) > maxSteps {
		d.partial, d.skip[place{"steps", -1, ""}] = true, true
		if ok {
			f.fail(p.at, "there are %d steps; at most %d may be", len(items), maxSteps)
		}
		return
	}
	for i, n := range items {
		s, ok := f.step(d, i, n)
		if !ok {
			d.partial, d.skip[place{"steps", i, ""}] = true, true
		}
		d.Steps = append(d.Steps, s)
	}
}

// step reads "- grayscale" or "- tint: {…}".
func (f *fileReader) step(d *draft, i int, n ast.Node) (Step, bool) {
	const form = `a step: its name, or its name and its values: "blur: {sigma: 2}"`
	r := f.resolve(n)
	if r == nil {
		return Step{}, false
	}
	if name, ok := scalar(r); ok {
		d.mark("steps", i, "", positionOf(n))
		return Step{Kind: StepKind(name)}, true
	}
	pairs, ok := f.mapping(n, form)
	if !ok {
		return Step{}, false
	}
	if len(pairs) != 1 {
		f.fail(positionOf(n), "here should be %s; there are %d names: is a - missing, or an indentation?", form, len(pairs))
		return Step{}, false
	}
	p := pairs[0]
	d.mark("steps", i, "", p.at)
	s := Step{Kind: StepKind(p.key)}
	k := kindOf(s.Kind)
	if k == nil || f.isNull(p.value) {
		return s, true
	}
	values, ok := f.mapping(p.value, "the values of the step "+p.key+": "+strings.Join(k.fieldNames(), ", "))
	for _, v := range values {
		field := k.field(v.key)
		if field == nil {
			f.fail(v.at, "%s", unknownField(k, v.key))
			ok = false
			continue
		}
		text, fine := f.value(v, &field.rule)
		if ok = ok && fine; fine {
			*field.at(&s) = Value(text)
			d.mark("steps", i, v.key, positionOf(v.value))
		}
	}
	return s, ok
}

// value reads a step's value; a list of words may be written as a list.
func (f *fileReader) value(p pair, r *rule) (string, bool) {
	if r.typ == wordList {
		if _, ok := f.resolve(p.value).(*ast.SequenceNode); ok {
			return f.words(p, r.wanted())
		}
	}
	text, ok := f.text(p, r.wanted())
	if ok && text == "" {
		f.fail(p.at, "%s is empty: %s", p.key, r.wanted())
		return "", false
	}
	return text, ok
}

func (f *fileReader) words(p pair, wanted string) (string, bool) {
	list, ok := f.texts(p, wanted)
	for _, w := range list {
		if strings.Contains(w, ",") {
			f.fail(positionOf(p.value), "%s: a word has a comma in it", p.key)
			return "", false
		}
	}
	return strings.Join(list, ","), ok && len(list) > 0
}

// texts reads a list of plain values.
func (f *fileReader) texts(p pair, wanted string) (out []string, ok bool) {
	items, ok := f.list(p.value, "a list")
	for _, n := range items {
		s, plain := f.text(pair{p.key, positionOf(n), n}, wanted)
		out = append(out, s)
		ok = ok && plain
	}
	return out, ok
}

func (f *fileReader) outputs(d *draft, p pair) {
	pairs, ok := f.mapping(p.value, "outputs by their names")
	if !ok || len(pairs) > maxOutputs {
		d.skip[place{"outputs", -1, ""}] = true
		if ok {
			f.fail(p.at, "there are %d outputs; at most %d may be", len(pairs), maxOutputs)
		}
		return
	}
	for i, q := range pairs {
		d.mark("outputs", i, "", q.at)
		o := Output{Name: q.key, Format: Auto}
		if !f.isNull(q.value) && !f.output(d, i, q, &o) {
			d.skip[place{"outputs", i, ""}] = true
		}
		d.Outputs = append(d.Outputs, o)
	}
}

func (f *fileReader) output(d *draft, i int, p pair, o *Output) bool {
	values, ok := f.mapping(p.value, "the settings of an output: "+strings.Join(outputFieldNames(), ", "))
	for _, v := range values {
		field := outputFieldOf(v.key)
		if field == nil {
			f.unknown(v, "an output", outputFieldNames())
			ok = false
			continue
		}
		text, fine := f.text(v, field.rule.wanted())
		if !fine {
			ok = false
			continue
		}
		c, typed, err := field.rule.parse(text)
		if err != nil {
			f.fail(positionOf(v.value), "%s cannot be %s: %s", v.key, quote(text), field.rule.wanted())
			ok = false
			continue
		}
		field.set(o, c, typed)
		d.mark("outputs", i, v.key, positionOf(v.value))
	}
	return ok
}
