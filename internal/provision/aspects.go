package provision

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
)

// An aspect is one thing that is configured on a resource. look compares what is there with
// what is declared and returns what would put it right; nil where nothing differs.
type aspect struct {
	name string
	look func(context.Context) (mend func(context.Context) error, err error)
}

// aspects brings all to what is declared and returns the names of those that differed.
// What the endpoint does not know is told and passed over: nothing else needs it.
func (e *ensurer) aspects(ctx context.Context, resource string, all ...aspect) (differed []string, err error) {
	for _, a := range all {
		mend, err := a.look(ctx)
		if err == nil && mend != nil {
			if !e.dry {
				err = mend(ctx)
			}
			if err == nil {
				differed = append(differed, a.name)
			}
		}
		if isUnsupported(err) {
			e.did(Unsupported, err.Error(), "%s of %s", a.name, resource)
			continue
		}
		if err != nil {
			return differed, err
		}
	}
	return differed, nil
}

// settled reports a resource by what was found and done.
func (e *ensurer) settled(resource string, isNew bool, differed []string) {
	switch {
	case isNew:
		e.did(Created, "", "%s", resource)
	case len(differed) > 0:
		e.did(Updated, strings.Join(differed, ", "), "%s", resource)
	default:
		e.did(Unchanged, "", "%s", resource)
	}
}

// unsupported are the codes by which services and endpoints that stand in for them say
// that they have no such thing.
func unsupported() []string {
	return []string{"NotImplemented", "MethodNotAllowed", "UnsupportedOperation", "InvalidAction", "UnknownOperation", "UnknownOperationException", "InvalidAttributeName"}
}

func isUnsupported(err error) bool {
	if err == nil {
		return false
	}
	var resp *awshttp.ResponseError
	if errors.As(err, &resp) && (resp.HTTPStatusCode() == http.StatusNotImplemented || resp.HTTPStatusCode() == http.StatusMethodNotAllowed) {
		return true
	}
	return slices.Contains(unsupported(), code(err))
}

// code is the service's error code, or "".
func code(err error) string {
	var ae smithy.APIError
	if errors.As(err, &ae) {
		return ae.ErrorCode()
	}
	return ""
}

// lacking returns the tags of want that have does not carry.
func lacking(have, want map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range want {
		if h, ok := have[k]; !ok || h != v {
			out[k] = v
		}
	}
	return out
}
