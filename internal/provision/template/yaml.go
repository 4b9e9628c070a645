package template

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// A tree of a template: fields in their order, lists, and values. Text with "${" in it is
// filled in by CloudFormation.
type (
	field struct {
		name  string
		value any
	}
	fields []field
	items  []any
	// tagged is a value with one of CloudFormation's short tags, "!Ref".
	tagged struct {
		tag   string
		value any
	}
)

func ref(name string) tagged { return tagged{"!Ref", name} }
func att(name string) tagged { return tagged{"!GetAtt", name} }

// ifKey is yes where a key was given and otherwise no.
func ifKey(yes, no any) tagged { return tagged{"!If", items{"HasKey", yes, no}} }

func noValue() tagged { return ref("AWS::NoValue") }

// write prints a tree as YAML, the same for the same tree.
func write(b *bytes.Buffer, v any, depth int) {
	pad := strings.Repeat("  ", depth)
	switch v := v.(type) {
	case fields:
		for _, f := range v {
			fmt.Fprintf(b, "%s%s:", pad, scalar(f.name))
			nested(b, f.value, depth+1)
		}
	case items:
		for _, x := range v {
			b.WriteString(pad + "-")
			if _, ok := x.(fields); ok {
				// The first field stands beside the dash.
				var inner bytes.Buffer
				write(&inner, x, depth+1)
				b.WriteString(" " + strings.TrimPrefix(inner.String(), pad+"  "))
				continue
			}
			nested(b, x, depth+1)
		}
	}
}

// nested prints what stands after a colon or a dash.
func nested(b *bytes.Buffer, v any, depth int) {
	switch x := v.(type) {
	case tagged:
		b.WriteString(" " + x.tag)
		nested(b, x.value, depth)
	case fields:
		if len(x) == 0 {
			b.WriteString(" {}\n")
			return
		}
		b.WriteString("\n")
		write(b, x, depth)
	case items:
		b.WriteString("\n")
		write(b, x, depth)
	case int:
		b.WriteString(" " + strconv.Itoa(x) + "\n")
	case bool:
		b.WriteString(" " + strconv.FormatBool(x) + "\n")
	case string:
		if strings.Contains(x, "${") {
			b.WriteString(" !Sub")
		}
		b.WriteString(" " + scalar(x) + "\n")
	default:
		panic(fmt.Sprintf("template: %T in the tree", v))
	}
}

// bare is text that YAML takes for text without quotes.
var bare = regexp.MustCompile(`^[A-Za-z_/.][A-Za-z0-9_/.+=@ -]*(::?[A-Za-z0-9]+)*$`)

func scalar(s string) string {
	switch strings.ToLower(s) {
	case "true", "false", "yes", "no", "on", "off", "null", "y", "n", "":
		return strconv.Quote(s)
	}
	if bare.MatchString(s) && strings.TrimSpace(s) == s {
		return s
	}
	// JSON's quotes are YAML's.
	q, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string: cannot fail
	}
	return unescaped.Replace(string(q))
}

// unescaped undoes what encoding/json escapes for HTML's sake.
var unescaped = strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&")

// treeOf makes a tree of a value that encodes to JSON, in the order in which it does.
func treeOf(v any) any {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // declared data: cannot fail
	}
	d := json.NewDecoder(bytes.NewReader(b))
	return read(d)
}

func read(d *json.Decoder) any {
	t, err := d.Token()
	if err != nil {
		panic(err) // just encoded
	}
	switch t {
	case json.Delim('{'):
		out := fields{}
		for d.More() {
			name, err := d.Token()
			if err != nil {
				panic(err)
			}
			out = append(out, field{name.(string), read(d)})
		}
		_, _ = d.Token() // the brace
		return out
	case json.Delim('['):
		out := items{}
		for d.More() {
			out = append(out, read(d))
		}
		_, _ = d.Token() // the bracket
		return out
	}
	switch v := t.(type) {
	case float64:
		return int(v)
	default:
		return v
	}
}
