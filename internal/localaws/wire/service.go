package wire

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"reflect"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
)

// Identity is who calls, as authentication found it before Serve.
type Identity struct {
	Account   string // twelve digits
	Region    string
	Principal string // access key or ARN; what SQS reports as SenderId
}

// Request is what an operation knows of its call besides its input.
type Request struct {
	ID        string // request id, as answered in x-amzn-RequestId
	Operation string
	Account   string
	Region    string
	Principal string
	// BaseURL is how the caller reached the endpoint, from the Host header:
	// "http://127.0.0.1:4566". URLs that are answered begin with it.
	BaseURL string
	// Trace is the caller's X-Ray trace, of the header X-Amzn-Trace-Id; may be empty.
	Trace string
	// Present tells whether a member was in the request at all, which the SDK's
	// structs cannot tell from an explicit zero. A member of a list's entry is named
	// by path, counted from 0: "Entries.2.DelaySeconds".
	Present func(member string) bool
}

// Operation is one operation of a service; made by [Op].
type Operation struct {
	in, out reflect.Type
	call    func(ctx context.Context, r *Request, in any) (any, error)
}

// Op makes an Operation of a function on the SDK's input and output structs. The
// function answers API errors as *Error; any other error is logged and answered as
// InternalFailure with status 500. A nil output is an empty one.
func Op[I, O any](fn func(ctx context.Context, r *Request, in *I) (*O, error)) Operation {
	return Operation{
		in:  reflect.TypeFor[I](),
		out: reflect.TypeFor[O](),
		call: func(ctx context.Context, r *Request, in any) (any, error) {
			out, err := fn(ctx, r, in.(*I))
			if out == nil {
				out = new(O)
			}
			return out, err
		},
	}
}

// Refuse makes an Operation that answers e whatever the input: what AWS has and the
// service does not must never look like a success.
func Refuse(e *Error) Operation {
	return Op(func(context.Context, *Request, *struct{}) (*struct{}, error) { return nil, e })
}

// Service describes one AWS service. Its fields must not change once it serves.
type Service struct {
	Name         string // "sqs"; also the namespace of JSON error types: com.amazonaws.sqs#Code
	TargetPrefix string // "AmazonSQS"; empty: the service does not speak JSON
	Version      string // "2012-11-05"
	Namespace    string // of XML answers: "http://queue.amazonaws.com/doc/2012-11-05/"
	Operations   map[string]Operation
	Naming       Naming
	// JSONNames spells members whose JSON name is not the field's name:
	// "ListDeadLetterSourceQueuesOutput.QueueUrls": "queueUrls".
	JSONNames map[string]string
	// PathMember is the member that a Query request may give by its path instead
	// (SQS: QueueUrl, as old clients post to the queue's own URL). Empty: none.
	PathMember string
	// RootOnly are operations that Query clients cannot call at such a path.
	RootOnly map[string]bool
	// EmptyResults are operations that answer nothing and have a result element in XML all
	// the same: the model gives them an output without members, where others have none.
	EmptyResults map[string]bool
	// Admit is asked before every operation, with its decoded input; its error is the
	// answer. Nil: all may do everything.
	Admit  func(r *Request, in any) error
	Logger *slog.Logger // nil: nothing is logged

	once sync.Once
	ops  map[string]compiledOp
}

type compiledOp struct {
	Operation
	inShape, outShape *shape
}

// compile derives the shapes of all operations once; afterwards they are only read.
func (s *Service) compile() {
	c := compiler{naming: s.Naming, jsonNames: s.JSONNames, seen: map[reflect.Type]*shape{}}
	s.ops = make(map[string]compiledOp, len(s.Operations))
	for name, op := range s.Operations {
		s.ops[name] = compiledOp{Operation: op, inShape: c.shape(op.in), outShape: c.shape(op.out)}
	}
}

// protocol is how one request is answered.
type protocol interface {
	// result may use the room in b for the body, or not.
	result(b []byte, s *Service, op string, sh *shape, out any, requestID string) (contentType string, body []byte)
	failure(s *Service, e *Error, requestID string, h http.Header) (contentType string, body []byte)
}

// Serve answers one request, which was authenticated and whose body was read (and
// limited) by the caller. It decodes whichever protocol the request speaks,
// dispatches, and encodes the result or error. It returns the operation's name, where
// there is such a one.
func (s *Service) Serve(w http.ResponseWriter, r *http.Request, body []byte, id Identity) (operation string) {
	s.once.Do(s.compile)
	requestID := UUID()
	req := &Request{
		ID: requestID, Account: id.Account, Region: id.Region, Principal: id.Principal,
		BaseURL: baseURL(r), Trace: r.Header.Get("X-Amzn-Trace-Id"), Present: func(string) bool { return false },
	}
	var p protocol = queryProtocol{}
	if isJSON(r) {
		p = jsonProtocol{}
	}
	out, op, err := s.dispatch(r, body, req, p)
	if op.call != nil {
		operation = req.Operation
	}

	h := w.Header()
	h.Set("x-amzn-RequestId", requestID)
	if err != nil {
		if r.Context().Err() != nil {
			return operation // the client is gone; nobody reads an answer
		}
		e := s.apiError(req, err)
		contentType, b := p.failure(s, e, requestID, h)
		write(w, contentType, e.status(), b)
		return operation
	}
	room := answers.Get().(*[]byte)
	contentType, b := p.result((*room)[:0], s, req.Operation, op.outShape, out, requestID)
	write(w, contentType, http.StatusOK, b)
	if cap(b) <= maxKept {
		*room = b
		answers.Put(room)
	}
	return operation
}

// answers are buffers for answers; one that grew beyond maxKept bytes is not kept.
var answers = sync.Pool{New: func() any { return new(make([]byte, 0, 1<<10)) }}

const maxKept = 128 << 10

func write(w http.ResponseWriter, contentType string, status int, body []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that left cannot be told
}

// dispatch decodes and runs the request. A panic becomes an error: one bad request
// must not take the endpoint, and with it three services, down.
func (s *Service) dispatch(r *http.Request, body []byte, req *Request, p protocol) (out any, op compiledOp, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	var form *node
	_, json := p.(jsonProtocol)
	if json {
		req.Operation, err = s.target(r)
	} else {
		form, req.Operation, err = s.action(r, body)
	}
	if err != nil {
		return nil, op, err
	}
	op, ok := s.ops[req.Operation]
	if !ok {
		return nil, op, unknownOperation(req.Operation, json)
	}
	in := reflect.New(op.in)
	present := presence{}
	if json {
		err = decodeJSON(op.inShape, body, in.Elem(), present)
	} else {
		err = decodeQuery(op.inShape, form, in.Elem(), present)
	}
	if err != nil {
		return nil, op, err
	}
	req.Present = present.has
	if s.Admit != nil {
		if err := s.Admit(req, in.Interface()); err != nil {
			return nil, op, err
		}
	}
	out, err = op.call(r.Context(), req, in.Interface())
	return out, op, err
}

// apiError returns err as an answer, logging what is not the caller's doing.
func (s *Service) apiError(req *Request, err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	var full interface{ DiskFull() bool }
	if errors.As(err, &full) && full.DiskFull() {
		if s.Logger != nil {
			s.Logger.Error("disk full: the request was refused; free space and it will work again", "service", s.Name, "operation", req.Operation, "request", req.ID, "err", err)
		}
		return &Error{Code: "ServiceUnavailable", Message: "The endpoint's disk is full: nothing was changed. Free space and try again.", Status: http.StatusServiceUnavailable}
	}
	if s.Logger != nil {
		s.Logger.Error("operation failed", "service", s.Name, "operation", req.Operation, "request", req.ID, "err", err)
	}
	return &Error{Code: "InternalFailure", Message: "The request processing has failed because of an unknown error, exception or failure.", Status: http.StatusInternalServerError}
}

func isJSON(r *http.Request) bool {
	return r.Header.Get("X-Amz-Target") != "" || strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-amz-json")
}

// target is the operation that a JSON request names: "AmazonSQS.SendMessage".
func (s *Service) target(r *http.Request) (string, error) {
	target := r.Header.Get("X-Amz-Target")
	prefix, op, ok := strings.Cut(target, ".")
	if !ok || s.TargetPrefix == "" || prefix != s.TargetPrefix {
		return "", unknownOperation(target, true)
	}
	return op, nil
}

// action parses a Query request and returns the operation that it names.
func (s *Service) action(r *http.Request, body []byte) (*node, string, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err == nil && r.Method == http.MethodPost {
		var posted url.Values
		posted, err = url.ParseQuery(string(body))
		for k, v := range posted {
			values[k] = v
		}
	}
	if err != nil {
		return nil, "", &Error{Code: "MalformedQueryString", Message: "The query string contains a syntax error: " + err.Error()}
	}
	op := values.Get("Action")
	atPath := s.PathMember != "" && len(r.URL.Path) > 1
	switch {
	case op == "" && atPath && r.Method == http.MethodGet:
		return nil, "", &Error{Code: noOperation, Status: http.StatusNotFound}
	case s.RootOnly[op] && strings.Count(r.URL.Path, "/") > 1:
		return nil, op, unknownOperation(op, false)
	case op == "":
		return nil, "", &Error{Code: "MissingAction", Message: "The request is missing an action or a required parameter."}
	}
	form, err := newForm(values)
	if err != nil {
		return nil, op, err
	}
	if m := s.PathMember; atPath && form.children[m] == nil {
		form.children[m] = &node{value: baseURL(r) + r.URL.Path}
	}
	return form, op, nil
}

func baseURL(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// UUID returns a random UUID (RFC 9562, version 4): what AWS uses for the ids of
// requests and messages.
func UUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	var out [36]byte
	hex.Encode(out[0:8], b[0:4])
	hex.Encode(out[9:13], b[4:6])
	hex.Encode(out[14:18], b[6:8])
	hex.Encode(out[19:23], b[8:10])
	hex.Encode(out[24:], b[10:])
	out[8], out[13], out[18], out[23] = '-', '-', '-', '-'
	return string(out[:])
}
