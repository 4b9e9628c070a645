package recipe

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// object is a JSON Schema, or a part of one.
type object map[string]any

const dollarName = `^\$[a-z0-9-]+$`

// Schema is the JSON Schema (draft 2020-12) of recipe files, for editors. It follows from
// the tables that files are checked by, and lets through everything that these let through;
// what concerns several values at once is left to the check.
func Schema() []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(schema()); err != nil {
		panic(fmt.Sprintf("recipe: schema: %v", err)) // strings and numbers always encode
	}
	return b.Bytes()
}

func schema() object {
	return object{
		"$schema": "https://json-schema.org/draft/2020-12/schema",
		"title":   "Tintype recipes", "description": "Recipes, and rules for which images they are used.",
		"type": []string{"object", "null"}, "additionalProperties": false,
		"properties": object{
			"recipes": object{"description": "Recipes by their names; those of built-in ones take their place.",
				"type": "object", "maxProperties": maxRecipes, "propertyNames": nameSchema(), "additionalProperties": object{"$ref": "#/$defs/recipe"}},
			"rules": object{"description": "Which recipe is used where an upload names none; the first rule that matches holds.",
				"type": []string{"array", "null"}, "maxItems": maxRules, "items": object{"$ref": "#/$defs/rule"}},
		},
		"$defs": object{"recipe": recipeSchema(), "param": paramSchema(), "step": stepSchema(), "output": outputSchema(), "rule": ruleSchema(), "text": textSchema()},
	}
}

func nameSchema() object { return object{"pattern": nameForm.String(), "maxLength": maxName} }

// textSchema is a plain value: YAML makes numbers and booleans of some texts.
func textSchema() object { return object{"type": []string{"string", "number", "boolean"}} }

func recipeSchema() object {
	return object{
		"type": "object", "additionalProperties": false, "required": []string{"outputs"},
		"properties": object{
			"description": object{"type": "string", "description": "What it does, for people."},
			"params": object{"description": "What an upload may set; a step's value refers to it by $name.", "type": "object", "maxProperties": maxParams,
				"propertyNames": nameSchema(), "additionalProperties": object{"$ref": "#/$defs/param"}},
			"steps": object{"description": "What is done to the picture, in this order.", "type": "array", "maxItems": maxSteps, "items": object{"$ref": "#/$defs/step"}},
			"outputs": object{"description": "The pictures that are made, by their names.", "type": "object", "minProperties": 1, "maxProperties": maxOutputs,
				"propertyNames": nameSchema(), "additionalProperties": object{"$ref": "#/$defs/output"}},
		},
	}
}

func paramSchema() object {
	props := object{}
	for _, k := range paramKeys {
		s := object{"description": k.doc}
		switch k.name {
		case "type":
			s["enum"] = paramTypes
		case "min", "max":
			s["type"] = "number"
		case "values":
			s["type"], s["minItems"], s["maxItems"], s["uniqueItems"], s["items"] = "array", 1, maxChoices, true, object{"$ref": "#/$defs/text"}
		case "max-length":
			s["type"], s["minimum"], s["maximum"] = "integer", 1, maxText
		default:
			s["$ref"] = "#/$defs/text"
		}
		props[k.name] = s
	}
	return object{"type": "object", "additionalProperties": false, "required": []string{"type", "default"}, "properties": props}
}

func stepSchema() object {
	var bare []object
	props := object{}
	for _, k := range kinds {
		fields, required := object{}, []string{}
		for _, f := range k.fields {
			s := f.rule.schema(true)
			s["description"] = f.doc
			if f.def != "" {
				s["default"] = f.rule.schemaDefault(f.def)
			}
			fields[f.name] = s
			if f.required {
				required = append(required, f.name)
			}
		}
		kind := object{"type": "object", "description": k.doc, "additionalProperties": false, "properties": fields}
		if len(required) > 0 {
			kind["required"] = required
		} else if k.combine == nil {
			kind["type"] = []string{"object", "null"}
			bare = append(bare, object{"const": k.kind, "description": k.doc})
		}
		props[string(k.kind)] = kind
	}
	return object{"anyOf": []object{
		{"type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": false, "properties": props},
		{"oneOf": bare},
	}}
}

func outputSchema() object {
	props := object{}
	for _, f := range outputFields {
		s := f.rule.schema(false)
		s["description"] = f.doc
		if _, _, err := f.rule.parse(f.def); err == nil {
			s["default"] = f.rule.schemaDefault(f.def)
		}
		props[f.name] = s
	}
	return object{"type": []string{"object", "null"}, "additionalProperties": false, "properties": props}
}

func ruleSchema() object {
	props := object{}
	for _, k := range ruleKeys {
		props[k.name] = object{"description": k.doc, "type": "string"}
	}
	props["match"] = object{"description": ruleKeys[0].doc, "type": "string", "minLength": 1}
	props["params"] = object{"description": ruleKeys[2].doc, "type": "object", "additionalProperties": object{"$ref": "#/$defs/text"}}
	props["ignore"] = object{"description": ruleKeys[3].doc, "type": "boolean"}
	return object{"type": "object", "additionalProperties": false, "required": []string{"match"}, "properties": props,
		"anyOf": []object{{"required": []string{"recipe"}}, {"required": []string{"ignore"}}}}
}

// schema is the schema of one value. YAML makes numbers of some texts (the colour 123456),
// and numbers may be written as text.
func (r *rule) schema(reference bool) object {
	var s []object
	hex := object{"type": "string", "pattern": "^#?([0-9A-Fa-f]{3}|[0-9A-Fa-f]{6})$"}
	digits := object{"type": "number"}
	switch r.typ {
	case Color:
		s = []object{hex, digits}
	case paint:
		s = []object{{"const": Transparent}, hex, digits}
	case Number:
		s = []object{{"type": "number", "minimum": r.min, "maximum": r.max}, {"type": "string", "pattern": `^[-+.0-9eE]+$`}}
	case Integer:
		s = []object{{"type": "integer", "minimum": r.min, "maximum": r.max}, {"type": "string", "pattern": `^[-+.0-9eE]+$`}}
	case Boolean:
		s = []object{{"type": "boolean"}, {"enum": []string{"true", "false"}}}
	case Choice:
		words := append([]string{}, r.words...)
		for alias := range r.alias {
			words = append(words, alias)
		}
		s = []object{{"enum": words}}
	case ratio:
		s = []object{{"type": "string", "pattern": "^[0-9]+:[0-9]+$"}}
	case assetKey:
		s = []object{{"type": "string", "minLength": 1, "maxLength": maxKey}}
	case wordList:
		s = []object{{"type": "array", "minItems": 1, "items": object{"enum": r.words}}, {"type": "string"}}
	default:
		s = []object{{"type": "string", "minLength": 1}, {"type": []string{"number", "boolean"}}}
	}
	if reference {
		s = append(s, object{"type": "string", "pattern": dollarName, "description": "A parameter."})
	}
	if len(s) == 1 {
		return s[0]
	}
	return object{"anyOf": s}
}

// schemaDefault is a default in JSON.
func (r *rule) schemaDefault(text string) any {
	v, typed, err := r.parse(text)
	if err != nil {
		return string(v)
	}
	return typed
}
