package recipe

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

const docsFile = "../../docs/recipes.md"

// tables are those of docs/recipes.md, by the marks between which they stand.
func tables() map[string]string {
	var steps strings.Builder
	for _, k := range kinds {
		fmt.Fprintf(&steps, "\n### %s\n\n%s\n", k.kind, k.doc)
		if len(k.fields) > 0 {
			steps.WriteString("\n| value | what it may be | default | |\n|---|---|---|---|\n")
		}
		for _, f := range k.fields {
			def := "–"
			if f.required {
				def = "must be given"
			} else if f.def != "" {
				def = "`" + f.def + "`"
			}
			fmt.Fprintf(&steps, "| `%s` | %s | %s | %s |\n", f.name, f.rule.describe(), def, f.doc)
		}
	}
	outputs := "\n| setting | what it may be | default | |\n|---|---|---|---|\n"
	for _, f := range outputFields {
		def := f.def
		if _, _, err := f.rule.parse(def); err == nil {
			def = "`" + def + "`"
		}
		outputs += fmt.Sprintf("| `%s` | %s | %s | %s |\n", f.name, f.rule.describe(), def, f.doc)
	}
	params := "\n| setting | of the types | |\n|---|---|---|\n"
	for _, k := range paramKeys {
		with := "all"
		if k.with != nil {
			with = typeNames(k.with)
		}
		params += fmt.Sprintf("| `%s` | %s | %s |\n", k.name, with, k.doc)
	}
	rules := "\n| setting | |\n|---|---|\n"
	for _, k := range ruleKeys {
		rules += fmt.Sprintf("| `%s` | %s |\n", k.name, k.doc)
	}
	return map[string]string{"steps": steps.String() + "\n", "outputs": outputs + "\n", "params": params + "\n", "rules": rules + "\n"}
}

// TestDocs: the tables of docs/recipes.md are those of the checks; -update writes them.
func TestDocs(t *testing.T) {
	b, err := os.ReadFile(docsFile)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for name, want := range tables() {
		begin, end := "<!-- begin "+name+" -->\n", "<!-- end "+name+" -->"
		i, j := strings.Index(text, begin), strings.Index(text, end)
		if i < 0 || j < i {
			t.Fatalf("no marks for %s", name)
		}
		i += len(begin)
		if text[i:j] != want {
			if !*update {
				t.Errorf("the table of %s is not that of the checks; go test ./internal/recipe -run TestDocs -update writes it", name)
			}
			text = text[:i] + want + text[j:]
		}
	}
	if *update {
		if err := os.WriteFile(docsFile, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDocsExamples: each example is a file that is accepted, by the schema too.
func TestDocsExamples(t *testing.T) {
	b, err := os.ReadFile(docsFile)
	if err != nil {
		t.Fatal(err)
	}
	s := compiledSchema(t)
	examples := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(b, -1)
	if len(examples) < 5 {
		t.Fatalf("only %d examples", len(examples))
	}
	for _, e := range examples {
		if _, err := Parse("example", e[1]); err != nil {
			t.Errorf("%v\n%s", err, e[1])
		}
		if err := validate(s, e[1]); err != nil {
			t.Errorf("%v\n%s", err, e[1])
		}
	}
}
