package recipe

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	maxRules = 500
	maxGlob  = 512 // bytes
)

// Rule says what is done to the objects whose keys match, where their upload names no recipe.
type Rule struct {
	Match  string            `json:"match"`
	Recipe string            `json:"recipe,omitempty"`
	Params map[string]string `json:"params,omitempty"` // raw
	Ignore bool              `json:"ignore,omitempty"` // such an object is no image

	match *regexp.Regexp
}

// Rules returns the rules in their order; the first that matches holds. What they hold is
// shared: it must not be changed.
func (b *Book) Rules() []Rule { return slices.Clone(b.rules) }

// For is the recipe, and the parameters for it, of an upload that names none: those of the
// first rule that matches key and ignores nothing, else the default recipe. For objects
// that the web tier uploads, key is without the id at its front.
func (b *Book) For(key string) (name string, params map[string]string) {
	for _, r := range b.rules {
		if !r.Ignore && r.match.MatchString(key) {
			return r.Recipe, maps.Clone(r.Params)
		}
	}
	return Default, nil
}

// Choose completes what an upload says by the rules: where it names no recipe, it has that
// of For, and what it says of parameters goes before what the rule says.
func (b *Book) Choose(key, name string, raw map[string]string) (string, map[string]string) {
	if name != "" {
		return name, raw
	}
	name, params := b.For(key)
	if params == nil {
		return name, raw
	}
	maps.Copy(params, raw)
	return name, params
}

// Ignores reports whether the first rule that matches key says that the object is no image.
// It is not to be asked of what the web tier uploads, which is meant as an image.
func (b *Book) Ignores(key string) bool {
	for _, r := range b.rules {
		if r.match.MatchString(key) {
			return r.Ignore
		}
	}
	return false
}

// compileGlob makes a pattern of a glob over whole keys: "*" is any characters but "/", "?"
// one of them, "**" any characters, and "**/" any directories or none.
func compileGlob(glob string) (*regexp.Regexp, error) {
	switch {
	case glob == "":
		return nil, errors.New("it is empty")
	case len(glob) > maxGlob:
		return nil, fmt.Errorf("it is longer than %d bytes", maxGlob)
	case !utf8.ValidString(glob) || strings.ContainsFunc(glob, unshown):
		return nil, errors.New("it has control characters")
	case strings.ContainsAny(glob, `[]{}\`):
		return nil, errors.New(`[ ] { } and \ have no meaning in it; there are *, ** and ?`)
	case strings.HasPrefix(glob, "/"):
		return nil, errors.New("keys do not begin with a /")
	}
	var b strings.Builder
	b.WriteString(`(?s)\A`)
	for rest := glob; rest != ""; {
		switch {
		case strings.HasPrefix(rest, "**/") && (len(rest) == len(glob) || glob[len(glob)-len(rest)-1] == '/'):
			b.WriteString(`(?:.*/)?`)
			rest = rest[3:]
		case strings.HasPrefix(rest, "**"):
			b.WriteString(`.*`)
			rest = strings.TrimLeft(rest, "*")
		case rest[0] == '*':
			b.WriteString(`[^/]*`)
			rest = rest[1:]
		case rest[0] == '?':
			b.WriteString(`[^/]`)
			rest = rest[1:]
		default:
			_, n := utf8.DecodeRuneInString(rest)
			b.WriteString(regexp.QuoteMeta(rest[:n]))
			rest = rest[n:]
		}
	}
	b.WriteString(`\z`)
	return regexp.Compile(b.String())
}

// ruleKeys are the settings of a rule.
var ruleKeys = []struct{ name, doc string }{
	{"match", "Which keys: * is any characters but /, ? one of them, ** any characters, **/ any directories or none."},
	{"recipe", "The recipe for them."},
	{"params", "Values for its parameters."},
	{"ignore", "true: such objects are no images, watermarks for instance."},
}

func ruleKeyNames() []string {
	var names []string
	for _, k := range ruleKeys {
		names = append(names, k.name)
	}
	return names
}

// rules reads the list of rules into book, which is nil where some recipe is at fault;
// then what they say is compared with the names alone.
func (f *fileReader) rules(p pair, book *Book, all []Recipe) {
	if f.isNull(p.value) {
		return
	}
	items, ok := f.list(p.value, "a list of rules")
	if ok && len(items) > maxRules {
		f.fail(p.at, "there are %d rules; at most %d may be", len(items), maxRules)
		return
	}
	for _, n := range items {
		pairs, ok := f.mapping(n, "a rule: "+strings.Join(ruleKeyNames(), ", "))
		if !ok {
			continue
		}
		at := positionOf(n)
		if len(pairs) > 0 {
			at = pairs[0].at
		}
		if r, ok := f.rule(at, pairs, book, all); ok && book != nil {
			book.rules = append(book.rules, r)
		}
	}
}

func (f *fileReader) rule(at position, pairs []pair, book *Book, all []Recipe) (r Rule, ok bool) {
	before := len(f.errs)
	given := map[string]pair{}
	for _, p := range pairs {
		given[p.key] = p
		switch p.key {
		case "match":
			text, ok := f.text(p, "a pattern such as avatars/**")
			if !ok {
				continue
			}
			var err error
			if r.match, err = compileGlob(text); err != nil {
				f.fail(positionOf(p.value), "match cannot be %s: %v", quote(text), err)
			}
			r.Match = text
		case "recipe":
			r.Recipe, _ = f.text(p, "a recipe's name")
		case "ignore":
			text, ok := f.text(p, "true or false")
			if r.Ignore = text == "true"; ok && text != "true" && text != "false" {
				f.fail(positionOf(p.value), "ignore cannot be %s: true or false", quote(text))
			}
		case "params":
			values, _ := f.mapping(p.value, "parameters and their values")
			r.Params = map[string]string{}
			for _, v := range values {
				r.Params[v.key], _ = f.text(v, "a value")
			}
		default:
			f.unknown(p, "a rule", ruleKeyNames())
		}
	}
	_, match := given["match"]
	name, named := given["recipe"]
	switch {
	case !match:
		f.fail(at, "the rule has no match: which keys is it for?")
	case r.Ignore && (named || r.Params != nil):
		f.fail(given["ignore"].at, "a rule that ignores has no recipe and no params")
	case !r.Ignore && !named && given["ignore"].key == "":
		f.fail(at, "the rule has no recipe, and no ignore: true")
	}
	if len(f.errs) > before {
		return r, false
	}
	if !r.Ignore && !named {
		f.fail(at, "the rule has no recipe, and ignore is false")
		return r, false
	}
	if r.Ignore {
		return r, true
	}
	var names []string
	for _, x := range all {
		names = append(names, x.Name)
	}
	if !slices.Contains(names, r.Recipe) {
		f.fail(positionOf(name.value), "there is no recipe %s%s; there are: %s", quote(r.Recipe), nearest(r.Recipe, names), strings.Join(names, ", "))
		return r, false
	}
	if book != nil {
		if _, err := book.Resolve(r.Recipe, r.Params); err != nil {
			at := positionOf(name.value)
			if p, is := given["params"]; is {
				at = p.at
			}
			f.fail(at, "%s", err.Error())
			return r, false
		}
	}
	return r, true
}
