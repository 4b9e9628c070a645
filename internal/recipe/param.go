package recipe

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

var paramTypes = []string{string(Color), string(Number), string(Integer), string(Boolean), string(Choice), string(Text)}

// Length is the most characters that a Text may have.
func (p *Param) Length() int {
	r := p.rule()
	return r.length
}

// MarshalJSON tells the range of every number, also where it begins at 0.
func (p Param) MarshalJSON() ([]byte, error) {
	type plain Param // without this method
	doc := struct {
		plain
		Min *float64 `json:"min,omitempty"`
		Max *float64 `json:"max,omitempty"`
	}{plain: plain(p)}
	if p.Type == Number || p.Type == Integer {
		doc.Min, doc.Max = &p.Min, &p.Max
	}
	return json.Marshal(doc)
}

// rule is what a parameter's values may be.
func (p *Param) rule() rule {
	r := rule{typ: p.Type, min: p.Min, max: p.Max, words: p.Values, length: p.MaxLength}
	if r.length == 0 {
		r.length = maxText
	}
	if !slices.Contains(paramTypes, string(p.Type)) {
		r.typ = "" // a type of steps' values alone
	}
	return r
}

// defaultText is the default as an upload would write it.
func (p *Param) defaultText() (string, error) {
	switch d := p.Default.(type) {
	case string:
		return d, nil
	case float64:
		return formatNumber(d), nil
	case bool:
		return strconv.FormatBool(d), nil
	default:
		return "", errDefault
	}
}

func (r *Recipe) param(name string) *Param {
	i := slices.IndexFunc(r.Params, func(p Param) bool { return p.Name == name })
	if i < 0 {
		return nil
	}
	return &r.Params[i]
}

// defaults are the canonical texts of all parameters' defaults, which have been checked.
func (r *Recipe) defaults() map[string]Value {
	values := make(map[string]Value, len(r.Params))
	for _, p := range r.Params {
		text, _ := p.defaultText()
		rule := p.rule()
		values[p.Name], _, _ = rule.parse(text)
	}
	return values
}

// allowed says which parameters a recipe has.
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

// reference reports whether a step's value is a reference, and to which parameter.
func reference(v Value) (name string, ok bool) {
	s, ok := strings.CutPrefix(string(v), "$")
	if !ok || strings.HasPrefix(s, "$") {
		return "", false
	}
	return s, true
}

// literal is the text of a value that is no reference.
func literal(v Value) string {
	if strings.HasPrefix(string(v), "$$") {
		return string(v[1:])
	}
	return string(v)
}

// nearest is " (did you mean …?)" where one of the words is close to s.
func nearest(s string, words []string) string {
	best, at := "", 1+min(2, len(s)/2)
	if len(s) > 64 {
		return ""
	}
	for _, w := range words {
		if d := distance(s, w); d < at {
			best, at = w, d
		}
	}
	if best == "" {
		return ""
	}
	return " (did you mean " + best + "?)"
}

// distance is the number of letters to add, remove, change or swap with a neighbour.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
		for j := 1; j <= len(b); j++ {
			if i == 0 {
				rows[0][j] = j
				continue
			}
			same := 1
			if a[i-1] == b[j-1] {
				same = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+same)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
