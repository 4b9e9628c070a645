// Package process is the app tier's end of the coupled call: POST /process, with the same
// recipes, limits and isolation as images that come through the queue.
package process

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tintype/tintype/internal/coupled"
	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/imaging"
	"github.com/tintype/tintype/internal/imaging/sniff"
	"github.com/tintype/tintype/internal/problem"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/store"
	"github.com/tintype/tintype/internal/worker"
)

// Processor takes one image through; *worker.Worker does.
type Processor interface {
	Call(ctx context.Context, c worker.Call) (*worker.Answer, error)
}

// Options for a Server. Processor is required.
type Options struct {
	Processor Processor
	// MaxBytes is the largest image that is taken. Default: 50 MB.
	MaxBytes int64
	// Slots is how many images are held in memory at once. More than there are workers lets
	// one be received while others are computed. Default: 4.
	Slots int
	// Waiting is how many calls may wait for a slot, their bodies unread; those beyond are
	// refused. Default: 256.
	Waiting int
	Logger  *slog.Logger
}

// Server is the app tier's end.
type Server struct {
	o       Options
	slots   chan struct{}
	waiting atomic.Int64
	calls   atomic.Int64
	refused atomic.Int64
}

// New makes the app tier's end.
func New(o Options) (*Server, error) {
	if o.Processor == nil {
		return nil, errors.New("process: no processor")
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = 50_000_000
	}
	if o.Slots <= 0 {
		o.Slots = 4
	}
	if o.Waiting <= 0 {
		o.Waiting = 256
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Server{o: o, slots: make(chan struct{}, o.Slots)}, nil
}

// Stats are what a Server has to say of itself.
type Stats struct {
	Calls   int64 // answered, since the start
	Refused int64 // of them without a result
	Held    int64 // images in memory now
	Waiting int64 // calls that wait for a slot now
}

// Stats returns the counts of this moment.
func (s *Server) Stats() Stats {
	return Stats{Calls: s.calls.Load(), Refused: s.refused.Load(), Held: int64(len(s.slots)), Waiting: s.waiting.Load()}
}

// ServeHTTP is POST /process.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.calls.Add(1)
	err := s.serve(w, r)
	if err == nil {
		return
	}
	s.refused.Add(1)
	d := problem.Of(err)
	var failed *failedImage
	if errors.As(err, &failed) {
		d.Instance = coupled.ImagePath(failed.id)
	}
	if d.Status >= 500 && r.Context().Err() == nil {
		s.o.Logger.Error("a call failed", "status", d.Status, "code", d.Code, "err", err)
	}
	problem.Write(w, d)
}

// failedImage is the permanent fault of an image that is stored, with a manifest that says so.
type failedImage struct {
	id string
	error
}

func (f *failedImage) Unwrap() error { return f.error }

func (s *Server) serve(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return problem.Refuse(problem.CodeMethod, "POST the image's bytes.", "%s does not go with this address.", r.Method)
	}
	call, output, err := s.request(r)
	if err != nil {
		return err
	}
	if r.ContentLength > s.o.MaxBytes {
		return s.tooLarge()
	}
	// Waiting and computing take longer than other answers may.
	if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(coupled.CallTimeout)); err != nil {
		return err
	}
	if err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(coupled.CallTimeout)); err != nil {
		return err
	}
	if err := s.admit(r.Context()); err != nil {
		return err
	}
	defer func() { <-s.slots }()
	if call.Key == "" {
		if err := s.receive(w, r, &call); err != nil {
			return err
		}
	}
	answer, err := s.o.Processor.Call(r.Context(), call)
	if err != nil {
		return err
	}
	m := answer.Manifest
	if m.Status == recipe.Failed {
		return &failedImage{m.ID, problem.Refuse(m.Error.Code, m.Error.Hint, "%s", m.Error.Message)}
	}
	return s.write(w, answer, output)
}

// request reads the query.
func (s *Server) request(r *http.Request) (call worker.Call, output string, err error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return call, "", problem.Refuse(fault.CodeBadRequest, "", "The query cannot be read.")
	}
	for name, values := range query {
		if len(values) != 1 {
			return call, "", problem.Refuse(fault.CodeBadRequest, "", "%.100q appears more than once.", name)
		}
		value := values[0]
		param, isParam := strings.CutPrefix(name, coupled.QueryParam)
		switch {
		case name == coupled.QueryName:
		case name == coupled.QueryRecipe:
			call.Recipe = value
		case name == coupled.QueryStored:
			call.Key = value
		case name == coupled.QueryOutput:
			output = value
		case isParam && param != "":
			if call.Params == nil {
				call.Params = map[string]string{}
			}
			call.Params[param] = value
		default:
			return call, "", problem.Refuse(fault.CodeBadRequest, "Parameters of the recipe are written param.NAME=VALUE.", "%.100q is not understood.", name)
		}
	}
	return call, output, nil
}

// admit waits for a slot, with the body still unread: what waits costs a connection and no more.
func (s *Server) admit(ctx context.Context) error {
	select {
	case s.slots <- struct{}{}:
		return nil
	default:
	}
	defer s.waiting.Add(-1)
	if s.waiting.Add(1) > int64(s.o.Waiting) {
		return problem.Refuse(problem.CodeBusy, "Try again in a moment.", "%d calls are waiting already.", s.o.Waiting)
	}
	select {
	case s.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// A body may take receiveTimeout to arrive.
const receiveTimeout = 5 * time.Minute

// receive reads the image and gives it a key.
func (s *Server) receive(w http.ResponseWriter, r *http.Request, call *worker.Call) error {
	rc := http.NewResponseController(w)
	if err := rc.SetReadDeadline(time.Now().Add(receiveTimeout)); err != nil {
		return err
	}
	var body bytes.Buffer
	body.Grow(int(max(r.ContentLength, 0)) + bytes.MinRead)
	if _, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, s.o.MaxBytes)); err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return s.tooLarge()
		}
		return problem.Refuse(fault.CodeBadRequest, "Send it again.", "The body ended early.")
	}
	if err := rc.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	if body.Len() == 0 {
		return problem.Refuse(fault.CodeEmpty, "", "The file is empty.")
	}
	head := body.Bytes()[:min(body.Len(), sniff.HeadSize)]
	format, _, _, _ := sniff.Probe(head)
	contentType, known := contentTypes[format]
	switch {
	case format == "":
		return problem.Refuse(fault.CodeNotAnImage, "", "The file is not an image that is known here.")
	case !known:
		return problem.Refuse(fault.CodeUnsupported, "", "Files of the format %s are not supported.", format)
	}
	call.Body, call.ContentType = body.Bytes(), contentType
	call.Key = store.UploadKey(store.NewID(time.Now()), r.URL.Query().Get(coupled.QueryName))
	return nil
}

// contentTypes are those of the formats that are taken.
var contentTypes = map[string]string{
	sniff.JPEG: "image/jpeg", sniff.PNG: "image/png", sniff.GIF: "image/gif", sniff.WebP: "image/webp",
	sniff.AVIF: "image/avif", sniff.TIFF: "image/tiff", sniff.HEIF: "image/heif",
}

func (s *Server) tooLarge() error {
	return problem.Refuse(fault.CodeTooLarge, "Send a smaller file.", "The file is larger than the %d bytes allowed here.", s.o.MaxBytes)
}

// write answers with the manifest or with one output's bytes.
func (s *Server) write(w http.ResponseWriter, answer *worker.Answer, output string) error {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set(coupled.HeaderImage, answer.Manifest.ID)
	if output == "" {
		body, err := json.Marshal(answer.Manifest)
		if err != nil {
			return err
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(append(body, '\n'))
		return nil
	}
	outputs := answer.Picture.Outputs
	i := slices.IndexFunc(outputs, func(o imaging.Encoded) bool { return o.Name == output })
	if i < 0 {
		return &failedImage{answer.Manifest.ID, problem.Refuse(fault.CodeNotFound, "The image itself is done and stored.", "The recipe %s has no output %.100q.", answer.Manifest.Recipe, output)}
	}
	w.Header().Set("Content-Type", outputs[i].ContentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(outputs[i].Bytes)))
	w.Header().Set("Content-Disposition", mime.FormatMediaType("inline", map[string]string{"filename": fmt.Sprintf("%s.%s", outputs[i].Name, outputs[i].Ext)}))
	_, _ = io.Copy(w, bytes.NewReader(outputs[i].Bytes))
	return nil
}
