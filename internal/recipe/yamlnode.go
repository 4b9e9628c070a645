package recipe

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Bounds of what is given to the YAML parser, which goes down by recursion. No sound file
// comes near them.
const (
	maxNesting = 32      // brackets within brackets
	maxIndent  = 256     // columns
	maxTokens  = 50_000  // words and signs: the parser's time grows with their square
	maxHops    = 16      // aliases of aliases
	maxVisits  = 200_000 // values, those counted again that aliases repeat
)

// position is a place in a file, both from 1.
type position struct{ line, column int }

func positionOf(n ast.Node) position {
	if m, ok := n.(*ast.MappingValueNode); ok {
		n = m.Key // the node's own token is the colon
	}
	if m, ok := n.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		n = m.Values[0].Key
	}
	return tokenPosition(n.GetToken())
}

func tokenPosition(t *token.Token) position {
	if t == nil || t.Position == nil {
		return position{1, 1}
	}
	return position{max(1, t.Position.Line), max(1, t.Position.Column)}
}

// yamlFile reads a YAML file node by node and collects what is wrong with it.
type yamlFile struct {
	errs    []fileError
	anchors map[string]ast.Node
	visits  int
}

type fileError struct {
	position
	text string
}

func (y *yamlFile) fail(at position, format string, args ...any) {
	y.errs = append(y.errs, fileError{at, fmt.Sprintf(format, args...)})
}

// root parses text and returns the one document's value, nil where the file is empty.
func (y *yamlFile) root(text []byte) (root ast.Node) {
	// The parser is somebody else's, and what it is given is anybody's.
	defer func() {
		if r := recover(); r != nil {
			root = nil
			y.fail(position{1, 1}, "this cannot be read as YAML: %v", r)
		}
	}()
	tokens := lexer.Tokenize(string(text))
	if at, what := unbounded(tokens); what != "" {
		y.fail(at, "%s", what)
		return nil
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		y.syntax(err)
		return nil
	}
	for _, doc := range file.Docs {
		switch doc.Body.(type) {
		case nil, *ast.CommentGroupNode, *ast.NullNode:
			continue
		}
		if root != nil {
			y.fail(positionOf(doc.Body), "a second document begins here; a file has one")
			return nil
		}
		root = doc.Body
	}
	if root == nil {
		if hasContent(text) {
			y.fail(position{1, 1}, "here should be recipes: and rules:")
		}
		return nil
	}
	y.anchors = map[string]ast.Node{}
	ast.Walk(y, root)
	return root
}

// hasContent reports whether text has more than comments and document marks.
func hasContent(text []byte) bool {
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line != "" && line[0] != '#' && line != "---" && line != "..." {
			return true
		}
	}
	return false
}

// Visit collects the anchors, for ast.Walk.
func (y *yamlFile) Visit(n ast.Node) ast.Visitor {
	if a, ok := n.(*ast.AnchorNode); ok && a.Name != nil {
		name := a.Name.GetToken().Value
		if y.anchors[name] != nil {
			y.fail(positionOf(a), "the anchor %s is there twice", quote(name))
		}
		y.anchors[name] = a.Value
	}
	return y
}

// syntax reports what the parser says.
func (y *yamlFile) syntax(err error) {
	var e interface {
		GetToken() *token.Token
		GetMessage() string
	}
	if errors.As(err, &e) {
		y.fail(tokenPosition(e.GetToken()), "this is no YAML: %s", e.GetMessage())
		return
	}
	y.fail(position{1, 1}, "this is no YAML: %.200s", err.Error())
}

// unbounded finds what would lead the parser too deep.
func unbounded(tokens token.Tokens) (position, string) {
	if len(tokens) > maxTokens {
		return tokenPosition(tokens[maxTokens]), fmt.Sprintf("the file has more than %d words and signs", maxTokens)
	}
	depth, line, entries := 0, 0, 0
	for _, t := range tokens {
		at := tokenPosition(t)
		if at.line != line {
			line, entries = at.line, 0
			if at.column > maxIndent && depth == 0 {
				return at, fmt.Sprintf("the indentation is deeper than %d columns", maxIndent)
			}
		}
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			depth++
		case token.SequenceEndType, token.MappingEndType:
			depth--
		case token.SequenceEntryType:
			entries++
		case token.MappingKeyType:
			return at, `"? " has no meaning here: write name: value`
		case token.TagType:
			return at, "tags such as " + quote(t.Value) + " have no meaning here"
		case token.MergeKeyType:
			return at, "<< has no meaning here; an alias can stand for a whole value"
		}
		if depth > maxNesting || entries > maxNesting {
			return at, fmt.Sprintf("this is nested more than %d deep", maxNesting)
		}
	}
	return position{}, ""
}

// resolve is the node that n stands for: what an anchor names, what an alias repeats.
// It is nil, and has been told, where that is nothing.
func (y *yamlFile) resolve(n ast.Node) ast.Node {
	if y.visits++; y.visits > maxVisits {
		if y.visits == maxVisits+1 {
			y.fail(positionOf(n), "the file's aliases stand for more than can be read")
		}
		return nil
	}
	for range maxHops {
		switch t := n.(type) {
		case *ast.AnchorNode:
			n = t.Value
		case *ast.AliasNode:
			to := y.anchors[t.Value.GetToken().Value]
			if to == nil {
				y.fail(positionOf(t), "the alias %s has no anchor", quote(t.Value.GetToken().Value))
				return nil
			}
			n = to
		case nil:
			return nil
		default:
			return n
		}
	}
	y.fail(positionOf(n), "the aliases go in a circle")
	return nil
}

// pair is one entry of a mapping.
type pair struct {
	key   string
	at    position // of the key
	value ast.Node // as written: to be resolved
}

// mapping reads a mapping with different keys; what says what it should hold.
func (y *yamlFile) mapping(n ast.Node, what string) (pairs []pair, ok bool) {
	r := y.resolve(n)
	var values []*ast.MappingValueNode
	switch t := r.(type) {
	case nil:
		return nil, false
	case *ast.MappingNode:
		values = t.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{t}
	default:
		y.fail(positionOf(n), "here should be %s", what)
		return nil, false
	}
	seen := make(map[string]int, len(values)) // lines
	for _, v := range values {
		at := positionOf(v)
		key, isText := scalar(v.Key)
		if !isText {
			y.fail(at, "this name is no plain text")
			continue
		}
		if line := seen[key]; line > 0 {
			y.fail(at, "%s is there twice, first in line %d", quote(key), line)
			continue
		}
		seen[key] = at.line
		pairs = append(pairs, pair{key, at, v.Value})
	}
	return pairs, true
}

// list reads a sequence.
func (y *yamlFile) list(n ast.Node, what string) ([]ast.Node, bool) {
	switch t := y.resolve(n).(type) {
	case nil:
		return nil, false
	case *ast.SequenceNode:
		return t.Values, true
	default:
		y.fail(positionOf(n), "here should be %s", what)
		return nil, false
	}
}

// text reads a plain value.
func (y *yamlFile) text(p pair, what string) (string, bool) {
	n := y.resolve(p.value)
	switch n.(type) {
	case nil:
		return "", false
	case *ast.NullNode:
		y.fail(p.at, "%s is empty: %s (an unquoted # begins a comment: write colours in quotes)", p.key, what)
		return "", false
	}
	s, ok := scalar(n)
	if !ok {
		y.fail(positionOf(p.value), "%s must be a plain value: %s", p.key, what)
	}
	return s, ok
}

// isNull reports whether nothing is written.
func (y *yamlFile) isNull(n ast.Node) bool {
	_, ok := y.resolve(n).(*ast.NullNode)
	return ok
}

// scalar is the text of a plain value as it is written: a colour of digits alone is no number.
func scalar(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return strings.TrimSpace(n.GetToken().Value), true
	default:
		return "", false
	}
}
