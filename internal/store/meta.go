package store

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"mime"
	"strings"
	"unicode/utf16"

	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/telemetry"
)

// User metadata of an upload; on the wire "x-amz-meta-tintype-recipe" and so on.
const (
	metaRecipe = "tintype-recipe"
	metaParams = "tintype-params"
	metaPrefix = "x-amz-meta-"
)

// maxMeta bounds recipe and params together, in bytes. S3 allows 2 KB of user metadata
// for names and values: https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html
const maxMeta = 1900

// traceMeta is ctx's span as user metadata, so that who reads the object continues its trace;
// nothing where there is no span. It fits beside maxMeta.
func traceMeta(ctx context.Context, meta map[string]string) {
	if parent := telemetry.Inject(ctx); parent != "" {
		meta[telemetry.Traceparent] = parent
	}
}

// traceparentOf is what traceMeta wrote, or anything else: it is untrusted.
func traceparentOf(meta map[string]string) string {
	for k, v := range meta {
		if strings.EqualFold(k, telemetry.Traceparent) {
			return v
		}
	}
	return ""
}

// encodeMeta puts a recipe's name and raw parameters into user metadata. Metadata travels
// in headers, so the parameters are a JSON object in ASCII.
func encodeMeta(recipe string, params map[string]string) (map[string]string, error) {
	meta := map[string]string{}
	if recipe != "" {
		if strings.TrimSpace(recipe) != recipe || strings.ContainsFunc(recipe, func(r rune) bool { return r < ' ' || r > '~' }) {
			return nil, fault.Permanentf(fault.CodeUnknownRecipe, "there is no recipe %+q", clip(recipe, 64))
		}
		meta[metaRecipe] = recipe
	}
	if len(params) > 0 {
		text, err := asciiJSON(params)
		if err != nil {
			return nil, fault.Permanentf(fault.CodeBadParameter, "the recipe's parameters cannot be stored: %v", err)
		}
		meta[metaParams] = text
	}
	if n := len(meta[metaRecipe]) + len(meta[metaParams]); n > maxMeta {
		return nil, fault.Permanentf(fault.CodeBadParameter, "the recipe's parameters take %d bytes; at most %d can go with an upload", n, maxMeta)
	}
	return meta, nil
}

// decodeMeta reads what encodeMeta wrote, or what another program put there by hand:
// values may be JSON strings, numbers or booleans.
func decodeMeta(meta map[string]string) (recipe string, params map[string]string, err error) {
	var text string
	for k, v := range meta { // some servers and proxies re-case the names
		switch strings.ToLower(k) {
		case metaRecipe:
			recipe = strings.TrimSpace(v)
		case metaParams:
			text = v
		}
	}
	if strings.TrimSpace(text) == "" {
		return recipe, nil, nil
	}
	var raw map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &raw); err != nil {
		return recipe, nil, &fault.Error{Kind: fault.Permanent, Code: fault.CodeBadParameter,
			Message: fmt.Sprintf("the metadata %s%s is no JSON object: %+q", metaPrefix, metaParams, clip(text, 100)),
			Hint:    `it should look like {"tint":"#ff8800"}`, Err: err}
	}
	params = make(map[string]string, len(raw))
	for name, v := range raw {
		v = bytes.TrimSpace(v)
		switch {
		case len(v) > 0 && v[0] == '"':
			var s string
			if err := json.Unmarshal(v, &s); err != nil {
				return recipe, nil, &fault.Error{Kind: fault.Permanent, Code: fault.CodeBadParameter,
					Message: fmt.Sprintf("the parameter %+q is no text", clip(name, 64)), Err: err}
			}
			params[name] = s
		case len(v) == 0 || v[0] == '{' || v[0] == '[' || v[0] == 'n':
			return recipe, nil, fault.Permanentf(fault.CodeBadParameter, "the parameter %+q must be a text or a number, not %s", clip(name, 64), clip(string(v), 64))
		default: // a number or a boolean, as it stands
			params[name] = string(v)
		}
	}
	return recipe, params, nil
}

// asciiJSON is v as JSON with every character outside ASCII as \u escapes.
func asciiJSON(v any) (string, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return "", err
	}
	var out strings.Builder
	for _, r := range strings.TrimSuffix(buf.String(), "\n") {
		switch {
		case r < 0x7f:
			out.WriteRune(r)
		case r > 0xffff:
			hi, lo := utf16.EncodeRune(r)
			fmt.Fprintf(&out, `\u%04x\u%04x`, hi, lo)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	return out.String(), nil
}

// cleanType is a content type that is safe in a header and a form; what cannot be
// understood is bytes.
func cleanType(t string) string {
	media, params, err := mime.ParseMediaType(t)
	if err != nil || !strings.Contains(media, "/") {
		return "application/octet-stream"
	}
	if f := mime.FormatMediaType(media, params); f != "" {
		return f
	}
	return media
}

// clip shortens untrusted text for a message.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
