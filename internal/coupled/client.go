package coupled

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"

	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/problem"
	"github.com/tintype/tintype/internal/recipe"
)

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 1 << 20

// Upload is an image that the app tier is to process.
type Upload struct {
	Body   io.Reader
	Size   int64 // bytes of Body
	Name   string
	Recipe string            // empty: the default
	Params map[string]string // raw
}

// FailedError is the permanent fault of an image that was taken: it is stored, and its
// manifest says the same.
type FailedError struct {
	ImageID string
	Err     error
}

func (e *FailedError) Error() string { return "image " + e.ImageID + ": " + e.Err.Error() }

func (e *FailedError) Unwrap() error { return e.Err }

// Client is the web tier's end. It repeats nothing: that is what a coupled system leaves to
// whoever uploads.
type Client struct {
	base string
	http *http.Client
}

// NewClient calls the app tier at base, "http://127.0.0.1:8009".
func NewClient(base string) *Client {
	return &Client{base: base, http: &http.Client{Timeout: CallTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// Process has an image processed and waits for it. Errors are permanent faults with words for
// users: those of the image or its parameters, CodeBusy, and, where the app tier does not
// answer, problem.CodeBadGateway or CodeGatewayTimeout.
func (c *Client) Process(ctx context.Context, u Upload) (*recipe.Manifest, error) {
	return c.call(ctx, query(QueryName, u.Name, u.Recipe, u.Params), u.Body, u.Size)
}

// Again has an image processed whose original is stored at key, with another recipe or, where
// recipe and params are empty, with that of its upload.
func (c *Client) Again(ctx context.Context, key, recipe string, params map[string]string) (*recipe.Manifest, error) {
	return c.call(ctx, query(QueryStored, key, recipe, params), nil, 0)
}

func query(name, value, recipe string, params map[string]string) url.Values {
	q := url.Values{name: {value}}
	if recipe != "" {
		q.Set(QueryRecipe, recipe)
	}
	for name, value := range params {
		q.Set(QueryParam+name, value)
	}
	return q
}

func (c *Client) call(ctx context.Context, q url.Values, body io.Reader, size int64) (*recipe.Manifest, error) {
	// A reader of its own type keeps the client from closing what the caller may want to read again.
	if body != nil {
		body = io.LimitReader(body, size)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+Path+"?"+q.Encode(), body)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.ContentLength = size
		req.Header.Set("Content-Type", "application/octet-stream")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.away(ctx, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, c.away(ctx, err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, c.refusal(resp.StatusCode, answer)
	}
	var m recipe.Manifest
	if err := json.Unmarshal(answer, &m); err != nil || m.ID == "" {
		return nil, c.wrong(fmt.Sprintf("what it answers is no manifest: %v", err))
	}
	return &m, nil
}

// away says that there is no answer: nobody listens, the connection broke, or time is up.
// Whether the image was processed is not known then.
func (c *Client) away(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	f := &fault.Error{Op: "call the app tier at " + c.base, Kind: fault.Permanent, Code: problem.CodeBadGateway, Err: err,
		Message: "The application server does not answer, so the image cannot be processed.",
		Hint:    "Upload it again when the application server is back: in coupled mode nothing waits for it."}
	var ne net.Error
	if errors.As(err, &ne) && ne.Timeout() {
		f.Code, f.Message = problem.CodeGatewayTimeout, "The application server did not answer in time."
	}
	return f
}

func (c *Client) wrong(what string) error {
	return &fault.Error{Op: "call the app tier at " + c.base, Kind: fault.Permanent, Code: problem.CodeBadGateway, Err: errors.New(what),
		Message: "The application server answered something that makes no sense.", Hint: "Check that --process-url leads to `tintype app --mode coupled`."}
}

// refusal is the app tier's own answer, passed on.
func (c *Client) refusal(status int, body []byte) error {
	var d problem.Document
	if err := json.Unmarshal(body, &d); err != nil || d.Code == "" {
		return c.wrong(fmt.Sprintf("status %d without a problem document", status))
	}
	f := &fault.Error{Op: "call the app tier at " + c.base, Kind: fault.Permanent, Code: d.Code, Message: d.Detail, Hint: d.Hint}
	if d.Status >= http.StatusInternalServerError && d.Code != problem.CodeBusy && d.Code != fault.CodeNotBuiltIn {
		f.Code, f.Message = problem.CodeBadGateway, "The application server could not process the image: "+d.Detail
	}
	if id, ok := ImageOf(d.Instance); ok {
		return &FailedError{ImageID: id, Err: f}
	}
	return f
}
