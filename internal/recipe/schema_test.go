package recipe

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

func compiledSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("recipes.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("recipes.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// validate holds a YAML file to the schema, as an editor does.
func validate(s *jsonschema.Schema, text []byte) error {
	var v any
	if err := yaml.Unmarshal(text, &v); err != nil {
		return err
	}
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		return err
	}
	return s.Validate(doc)
}

func TestSchemaTakesWhatIsGood(t *testing.T) {
	s := compiledSchema(t)
	files, _ := filepath.Glob("testdata/good/*.yml")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate(s, text); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
	for _, r := range good(t, "everything.yml").Recipes() {
		for _, text := range [][]byte{r.YAML(), written(r)} {
			if err := validate(s, text); err != nil {
				t.Errorf("%s: %v\n%s", r.Name, err, text)
			}
		}
	}
}

func written(r Recipe) []byte {
	c := Complete(r)
	return c.YAML()
}

// TestSchemaRefuses: an editor shows most faults; the rest take more than a schema.
func TestSchemaRefuses(t *testing.T) {
	s := compiledSchema(t)
	beyond := "alias-circle bad-references does-not-go-together merge two-documents nothing-that-is-read"
	files, _ := filepath.Glob("testdata/bad/*.yml")
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yml")
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(name, "alias-") { // not for a reader without bounds
			continue
		}
		if err := validate(s, text); err == nil && !strings.Contains(beyond, name) {
			t.Errorf("%s: let through", name)
		}
	}
}

// TestWrittenRecipesAreTheSame: what show prints is accepted, and makes the same jobs.
func TestWrittenRecipesAreTheSame(t *testing.T) {
	b := good(t, "everything.yml")
	for _, r := range b.Recipes() {
		want, err := b.Resolve(r.Name, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range [][]byte{r.YAML(), written(r)} {
			again, err := Parse("f.yml", text)
			if err != nil {
				t.Errorf("%s: %v\n%s", r.Name, err, text)
				continue
			}
			got, err := again.Resolve(r.Name, nil)
			if err != nil || got.Hash != want.Hash {
				t.Errorf("%s: %v, hash %s, want %s\n%s", r.Name, err, got.Hash, want.Hash, text)
			}
		}
	}
}
