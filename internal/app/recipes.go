package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/tintype/tintype/internal/config"
	"github.com/tintype/tintype/internal/recipe"
)

// recipes are those that the configuration names: the built-in ones and those of its file.
// A file that is at fault is a *BadSetting with all its faults.
func recipes(cfg config.Config) (*recipe.Book, error) {
	if cfg.Recipes == "" {
		return recipe.Builtin(), nil
	}
	book, err := readRecipes(cfg.Recipes)
	if err != nil {
		return nil, &BadSetting{fmt.Errorf("--recipes: %w", err)}
	}
	return book, nil
}

// readRecipes reads a recipe file, bounded.
func readRecipes(path string) (*recipe.Book, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, recipe.MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return recipe.Parse(path, text)
}

// RecipeCheck says whether a recipe file is sound, or all that is wrong with it.
func RecipeCheck(out IO, path string) error {
	book, err := readRecipes(path)
	var bad *recipe.FileError
	if err != nil && !errors.As(err, &bad) {
		return err
	}
	if out.JSON {
		doc := struct {
			File   string         `json:"file"`
			OK     bool           `json:"ok"`
			Faults []recipe.Fault `json:"faults,omitempty"`
		}{File: path, OK: bad == nil}
		if bad != nil {
			doc.Faults = bad.Faults
		}
		if err := json.NewEncoder(out.Out).Encode(doc); err != nil {
			return err
		}
	} else if bad != nil {
		fmt.Fprintln(out.Err, bad)
	} else {
		fmt.Fprintf(out.Out, "%s: ok: %d recipes with the built-in ones, %d rules\n", path, len(book.Recipes()), len(book.Rules()))
	}
	if bad != nil {
		return ErrReported
	}
	return nil
}

// RecipeList prints all recipes.
func RecipeList(cfg config.Config, out IO) error {
	book, err := recipes(cfg)
	if err != nil {
		return err
	}
	if out.JSON {
		for _, r := range book.Recipes() {
			if err := json.NewEncoder(out.Out).Encode(r); err != nil {
				return err
			}
		}
		return nil
	}
	tw := tabwriter.NewWriter(out.Out, 0, 0, 2, ' ', 0)
	for _, r := range book.Recipes() {
		var params, outputs []string
		for _, p := range r.Params {
			params = append(params, p.Name)
		}
		for _, o := range r.Outputs {
			outputs = append(outputs, o.Name)
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\n", r.Name, orNone(params), orNone(outputs), r.Description)
	}
	return tw.Flush()
}

func orNone(words []string) string {
	if len(words) == 0 {
		return "-"
	}
	return strings.Join(words, ",")
}

// RecipeShow prints one recipe with all that holds by default: as a recipe file, or as JSON.
func RecipeShow(cfg config.Config, out IO, name string) error {
	book, err := recipes(cfg)
	if err != nil {
		return err
	}
	job, err := book.Resolve(name, nil)
	if err != nil {
		return err
	}
	for _, r := range book.Recipes() {
		if r.Name != job.Recipe {
			continue
		}
		full := recipe.Complete(r)
		if out.JSON {
			return json.NewEncoder(out.Out).Encode(struct {
				recipe.Recipe
				Hash string `json:"hash"` // with the parameters' defaults
			}{full, job.Hash})
		}
		_, err := fmt.Fprintf(out.Out, "# hash with the parameters' defaults: %s\n%s", job.Hash, full.YAML())
		return err
	}
	return nil
}

// RecipeSchema prints the JSON Schema of recipe files.
func RecipeSchema(out IO) error {
	_, err := out.Out.Write(recipe.Schema())
	return err
}
