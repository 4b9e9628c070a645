package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/spf13/pflag"
)

// maxFile bounds a configuration file, bytes.
const maxFile = 1 << 20

// EnvName is the environment variable of a flag: --web-addr is TINTYPE_WEB_ADDR.
func EnvName(flag string) string {
	return "TINTYPE_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// Load completes a parsed flag set from the environment and the configuration file,
// in that order, for every flag not given on the command line. known says whether a
// name is a setting of any command, so that one file serves all of them. getenv is
// os.Getenv outside tests.
func Load(fs *pflag.FlagSet, getenv func(string) string, known func(name string) bool) error {
	var errs []error
	fs.VisitAll(func(f *pflag.Flag) {
		if v := getenv(EnvName(f.Name)); v != "" && !f.Changed {
			if err := fs.Set(f.Name, v); err != nil {
				errs = append(errs, fmt.Errorf("environment %s: %w", EnvName(f.Name), err))
			}
		}
	})
	if f := fs.Lookup("config"); f != nil && f.Value.String() != "" {
		errs = append(errs, loadFile(fs, f.Value.String(), known))
	}
	return errors.Join(errs...)
}

func loadFile(fs *pflag.FlagSet, path string, known func(string) bool) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("--config: %w", err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return fmt.Errorf("--config %s: %w", path, err)
	}
	if len(text) > maxFile {
		return fmt.Errorf("--config %s: larger than %d bytes", path, maxFile)
	}
	settings, err := parseFile(text)
	if err != nil {
		return fmt.Errorf("--config %s: %w", path, err)
	}
	var errs []error
	for _, s := range settings {
		f := fs.Lookup(s.name)
		switch {
		case s.name == "config" || f == nil && !known(s.name):
			errs = append(errs, fmt.Errorf("%s:%d: there is no setting %q", path, s.line, s.name))
		case f == nil || f.Changed:
			// Another command's setting, or one already set from a place that wins.
		default:
			for _, v := range s.values {
				if err := fs.Set(s.name, v); err != nil {
					errs = append(errs, fmt.Errorf("%s:%d: %w", path, s.line, err))
				}
			}
		}
	}
	return errors.Join(errs...)
}

// setting is one line of a configuration file.
type setting struct {
	name   string
	values []string // one, or a list's
	line   int      // from 1
}

// parseFile reads a flat YAML mapping of names to scalars or lists of scalars.
func parseFile(text []byte) ([]setting, error) {
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		return nil, err
	}
	var out []setting
	for _, doc := range file.Docs {
		var pairs []*ast.MappingValueNode
		switch n := doc.Body.(type) {
		case nil, *ast.CommentGroupNode, *ast.NullNode:
			continue
		case *ast.MappingNode:
			pairs = n.Values
		case *ast.MappingValueNode:
			pairs = []*ast.MappingValueNode{n}
		default:
			return nil, fmt.Errorf("line %d: want settings as name: value", n.GetToken().Position.Line)
		}
		for _, p := range pairs {
			s := setting{name: p.Key.GetToken().Value, line: p.Key.GetToken().Position.Line}
			if list, ok := p.Value.(*ast.SequenceNode); ok {
				for _, v := range list.Values {
					text, ok := scalar(v)
					if !ok {
						return nil, fmt.Errorf("line %d: %s: want a list of plain values", s.line, s.name)
					}
					s.values = append(s.values, text)
				}
			} else {
				text, ok := scalar(p.Value)
				if !ok {
					return nil, fmt.Errorf("line %d: %s: want a plain value or a list of them", s.line, s.name)
				}
				s.values = []string{text}
			}
			out = append(out, s)
		}
	}
	return out, nil
}

func scalar(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, true
	default:
		return "", false
	}
}
