package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/imaging/sniff"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/store"
	"github.com/tintype/tintype/internal/web/auth"
)

const (
	// formOverhead is what a multipart body may hold besides the file, in bytes.
	formOverhead = 1 << 20
	// maxFields and maxField bound the other parts of a form, maxName a file's name in bytes.
	maxFields = 64
	maxField  = 4 << 10
	maxName   = 4 << 10
)

// formats are the image formats that are let in, with their content types.
var formats = map[string]string{
	sniff.JPEG: "image/jpeg", sniff.PNG: "image/png", sniff.GIF: "image/gif", sniff.WebP: "image/webp",
	sniff.AVIF: "image/avif", sniff.TIFF: "image/tiff", sniff.HEIF: "image/heif",
}

// contentTypes are the content types of all formats.
func contentTypes() []string {
	types := []string{"image/heic"} // what most HEIF files are called
	for _, t := range formats {
		types = append(types, t)
	}
	slices.Sort(types)
	return types
}

// sendInstead is the hint for a file of the wrong kind.
const sendInstead = "Send a JPEG, PNG, WebP, GIF, AVIF, HEIF or TIFF."

func (s *Server) tooLarge() error {
	return refuse(fault.CodeTooLarge, "Send a smaller file.", "The file is larger than the %s allowed here.", megabytes(s.o.MaxBytes))
}

func megabytes(n int64) string {
	if n >= 1_000_000 {
		return strings.TrimSuffix(fmt.Sprintf("%.1f", float64(n)/1e6), ".0") + " MB"
	}
	return fmt.Sprintf("%d bytes", n)
}

// handleUploads hands out a presigned POST, so that the browser sends the bytes straight to S3.
func (s *Server) handleUploads(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Filename    string            `json:"filename"`
		Size        int64             `json:"size"`
		ContentType string            `json:"contentType"`
		Recipe      string            `json:"recipe"`
		Params      map[string]scalar `json:"params"`
	}
	if err := decodeJSON(w, r, &in, false); err != nil {
		s.fail(w, r, err)
		return
	}
	if s.o.Processor != nil {
		s.fail(w, r, refuse(fault.CodeBadRequest, "Send the file to POST /api/images.", "In coupled mode uploads pass through the web server and wait for the result."))
		return
	}
	contentType, err := s.checkClaims(in.Filename, in.Size, in.ContentType)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	id := store.NewID(s.o.Store.Now())
	key := store.UploadKey(id, in.Filename)
	job, params, err := s.choose(key, in.Recipe, rawParams(in.Params))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	form, err := s.o.Store.PresignUpload(r.Context(), store.PresignUpload{
		Key: key, ContentType: contentType, Recipe: job.Recipe, Params: params, MaxBytes: s.o.MaxBytes,
	})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.metrics.uploads.add("presigned")
	s.log.Info("upload handed out", "image", id, "key", key, "bytes", in.Size, "recipe", job.Recipe, auth.By(r.Context()))
	s.writeJSON(w, r, http.StatusCreated, struct {
		ID     string            `json:"id"`
		Key    string            `json:"key"`
		URL    string            `json:"url"`
		Fields map[string]string `json:"fields"`
	}{id, key, form.URL, form.Fields})
}

// choose is what is to be done to the object at key, and the raw parameters that say so: as
// an upload says, completed by the rules.
func (s *Server) choose(key, name string, raw map[string]string) (*recipe.Job, map[string]string, error) {
	rule, _ := store.RuleKey(key)
	name, raw = s.o.Recipes.Choose(rule, name, raw)
	job, err := s.o.Recipes.Resolve(name, raw)
	return job, raw, err
}

// checkClaims judges what a client says about a file before it sends it, and returns
// the content type the upload is bound to. The bytes themselves are judged by the worker.
func (s *Server) checkClaims(name string, size int64, contentType string) (string, error) {
	switch {
	case name == "":
		return "", refuse(fault.CodeBadRequest, "", "filename is missing.")
	case len(name) > maxName:
		return "", refuse(fault.CodeBadRequest, "", "filename is longer than %d bytes.", maxName)
	case size < 0:
		return "", refuse(fault.CodeBadRequest, "", "size must be the file's size in bytes.")
	case size == 0:
		return "", refuse(fault.CodeEmpty, "", "The file is empty.")
	case size > s.o.MaxBytes:
		return "", s.tooLarge()
	}
	if contentType == "" {
		// Browsers know no type for what their system does not know, HEIC on many.
		return "application/octet-stream", nil
	}
	media, _, err := mime.ParseMediaType(contentType)
	switch {
	case err != nil:
		return "", refuse(fault.CodeBadRequest, "", "contentType %.100q is no content type.", contentType)
	case media == "application/octet-stream", slices.Contains(contentTypes(), media):
		return media, nil
	case media == "image/jpg", media == "image/pjpeg":
		return "image/jpeg", nil
	case strings.HasPrefix(media, "image/"):
		return "", refuse(fault.CodeUnsupported, sendInstead, "Images of type %.100q are not supported.", media)
	}
	return "", refuse(fault.CodeNotAnImage, sendInstead, "A file of type %.100q is not an image.", media)
}

// handleUpload takes an image as a multipart form and passes it on to S3.
func (s *Server) handleUpload(w http.ResponseWriter, r *http.Request) {
	html := acceptsHTML(r)
	err := s.upload(w, r, html)
	if err == nil {
		return
	}
	if html {
		s.failPage(w, r, err)
		return
	}
	s.fail(w, r, err)
}

func (s *Server) upload(w http.ResponseWriter, r *http.Request, html bool) error {
	if r.ContentLength > s.o.MaxBytes+formOverhead {
		return s.tooLarge() // before a byte of it is read
	}
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	default:
		return refuse(codeBusy, "Try again in a moment.", "Too many uploads are under way.")
	}
	form, err := s.readForm(w, r)
	if form != nil {
		defer form.close()
	}
	if err != nil {
		return err
	}
	format, err := s.inspect(form)
	if err != nil {
		return err
	}
	now := s.o.Store.Now()
	id := store.NewID(now)
	key := store.UploadKey(id, form.name)
	rule, _ := store.RuleKey(key)
	name, _ := s.o.Recipes.Choose(rule, form.recipe, nil)
	job, params, err := s.choose(key, form.recipe, form.params(name))
	if err != nil {
		return err
	}
	if s.o.Processor != nil {
		return s.uploadCoupled(w, r, form, job.Recipe, params, html)
	}
	since := s.hub.position()
	if _, err := s.o.Store.PutSource(r.Context(), store.PutSource{
		Key: key, Body: form.file, Size: form.size, ContentType: formats[format], Recipe: job.Recipe, Params: params,
	}); err != nil {
		return err
	}
	s.metrics.uploads.add("through")
	s.log.Info("image uploaded", "image", id, "key", key, "bytes", form.size, "format", format, "recipe", job.Recipe, auth.By(r.Context()))
	img := queuedImage(store.SourceInfo{ID: id, Key: key, Size: form.size, LastModified: now}, job)
	s.announce(img, since)
	if html {
		w.Header().Set("Location", "/")
		w.WriteHeader(http.StatusSeeOther)
		return nil
	}
	s.writeAccepted(w, r, img)
	return nil
}

// inspect judges a spooled file by its first bytes and leaves it rewound.
func (s *Server) inspect(form *spooled) (format string, err error) {
	if form.size == 0 {
		return "", refuse(fault.CodeEmpty, "", "The file is empty.")
	}
	head := make([]byte, min(form.size, sniff.HeadSize))
	if _, err := form.file.ReadAt(head, 0); err != nil && err != io.EOF {
		return "", fmt.Errorf("read spooled upload: %w", err)
	}
	if _, err := form.file.Seek(0, io.SeekStart); err != nil {
		return "", fmt.Errorf("rewind spooled upload: %w", err)
	}
	format, width, height, ok := sniff.Probe(head)
	switch {
	case format == "":
		return "", refuse(fault.CodeNotAnImage, sendInstead, "The file is not an image that is known here.")
	case !ok || formats[format] == "":
		return "", refuse(fault.CodeUnsupported, sendInstead, "Files of the format %s are not supported.", format)
	case int64(width)*int64(height) > s.o.MaxPixels:
		return "", refuse(fault.CodeTooManyPixels, "Send a smaller version of it.", "The image has %d×%d pixels; %s million in all are allowed.", width, height,
			strings.TrimSuffix(fmt.Sprintf("%.1f", float64(s.o.MaxPixels)/1e6), ".0"))
	case width > s.o.MaxSide || height > s.o.MaxSide:
		return "", refuse(fault.CodeSideTooLong, "Send a smaller version of it.", "The image has %d×%d pixels; neither side may exceed %d.", width, height, s.o.MaxSide)
	}
	return format, nil
}

// spooled is a received form: its file on disk, its other fields in memory.
type spooled struct {
	file   *os.File
	size   int64
	name   string
	recipe string
	fields map[string]string // all but recipe
}

func (f *spooled) close() {
	if f.file != nil {
		_ = f.file.Close()
		_ = os.Remove(f.file.Name())
	}
}

// params are the raw parameters of the recipe of that name. A form without scripts holds
// the controls of all recipes, named "recipe.param": those of other recipes are not meant.
// A field left empty asks for the default.
func (f *spooled) params(name string) map[string]string {
	params := map[string]string{}
	for k, v := range f.fields {
		if of, param, ok := strings.Cut(k, "."); ok {
			if of != name {
				continue
			}
			k = param
		}
		if v != "" {
			params[k] = v
		}
	}
	return params
}

// readForm receives a multipart form. Its parts come in any order, and recipe and params
// decide whether the file is wanted, so the file waits on disk. What it returns must be
// closed, also when there is an error.
func (s *Server) readForm(w http.ResponseWriter, r *http.Request) (*spooled, error) {
	media, typeParams, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "multipart/form-data" || typeParams["boundary"] == "" {
		return nil, refuse(codeMediaType, "With curl: -F file=@picture.jpg -F tint='#ff8800'.", "The body must be multipart/form-data with a part named file.")
	}
	rc := http.NewResponseController(w)
	body := &patientReader{r: http.MaxBytesReader(w, r.Body, s.o.MaxBytes+formOverhead), rc: rc, end: time.Now().Add(uploadTimeout)}
	form := &spooled{fields: map[string]string{}}
	// The server's own write time-out counts from the request's header on: the answer comes after
	// the upload, and S3 may take its time.
	if err := rc.SetWriteDeadline(body.end.Add(time.Minute)); err != nil {
		return form, err
	}
	kept := &tailReader{r: body}
	parts := multipart.NewReader(kept, typeParams["boundary"])
	for n := 0; ; n++ {
		part, err := parts.NextRawPart()
		if err == io.EOF { //nolint:errorlint // the end itself; some ends that come too early have io.EOF wrapped
			break
		}
		if err != nil {
			return form, s.formFault(err)
		}
		if n >= maxFields {
			return form, refuse(fault.CodeBadRequest, "", "The form has more than %d parts.", maxFields)
		}
		if part.FormName() == "file" {
			err = s.spool(form, part)
		} else {
			err = form.field(part)
		}
		if err != nil {
			return form, s.formFault(err)
		}
	}
	if _, err := io.Copy(io.Discard, kept); err != nil { // what follows the last boundary
		return form, s.formFault(err)
	}
	// The multipart reader takes a body that ends after any boundary for a whole one; the
	// parameters that are missing from it would be taken for defaults.
	if !bytes.Contains(kept.tail, []byte("--"+typeParams["boundary"]+"--")) {
		return form, bodyFault(io.ErrUnexpectedEOF)
	}
	if form.file == nil {
		return form, refuse(fault.CodeBadRequest, "With curl: -F file=@picture.jpg.", "The form has no part named file.")
	}
	// A deadline that passed while we work would look like a client that went away.
	return form, rc.SetReadDeadline(time.Time{})
}

// formFault is bodyFault, except that a form that is too large is so because of its file.
func (s *Server) formFault(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return s.tooLarge()
	}
	return bodyFault(err)
}

// field takes one of the form's other parts.
func (f *spooled) field(part *multipart.Part) error {
	var b bytes.Buffer
	if _, err := b.ReadFrom(io.LimitReader(part, maxField+1)); err != nil {
		return err
	}
	name := part.FormName()
	if b.Len() > maxField || len(name) > maxField {
		return refuse(fault.CodeBadRequest, "", "The field %.100q is longer than %d bytes.", name, maxField)
	}
	if name == "recipe" {
		f.recipe = b.String()
		return nil
	}
	if name == "" {
		return refuse(fault.CodeBadRequest, "", "The form has a part without a name.")
	}
	if _, ok := f.fields[name]; ok {
		return refuse(fault.CodeBadRequest, "", "The field %.100q appears twice.", name)
	}
	f.fields[name] = b.String()
	return nil
}

// spoolFault says that our own disk is the trouble, not the client's body.
func spoolFault(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return &fault.Error{Op: "spool upload", Kind: fault.Permanent, Code: codeNoSpace, Message: "There is no room for uploads just now; nothing was kept.",
			Hint: "Try again later, or send it by POST /api/uploads, which needs no room here.", Err: err}
	}
	return &fault.Error{Op: "spool upload", Kind: fault.Bug, Code: fault.CodeInternal, Message: "the upload cannot be kept while it is checked",
		Hint: "check space and permissions of the directory for temporary files", Err: err}
}

// spool writes the file part to disk, one byte past the limit at most.
func (s *Server) spool(form *spooled, part *multipart.Part) error {
	if form.file != nil {
		return refuse(fault.CodeBadRequest, "Send one request for each.", "The form has more than one file.")
	}
	form.name = part.FileName()
	if len(form.name) > maxName {
		return refuse(fault.CodeBadRequest, "", "The file's name is longer than %d bytes.", maxName)
	}
	file, err := os.CreateTemp(s.o.TempDir, "tintype-upload-*")
	if err != nil {
		return spoolFault(err)
	}
	form.file = file
	dst := &diskWriter{w: file}
	form.size, err = io.Copy(dst, io.LimitReader(part, s.o.MaxBytes+1))
	switch {
	case dst.err != nil:
		return spoolFault(dst.err)
	case err != nil:
		return err
	case form.size > s.o.MaxBytes:
		return s.tooLarge()
	}
	return nil
}

// diskWriter remembers that it was the writing that failed.
type diskWriter struct {
	w   io.Writer
	err error
}

func (d *diskWriter) Write(p []byte) (int, error) {
	n, err := d.w.Write(p)
	d.err = err
	return n, err
}

// scalar is a parameter's value in JSON: a string, or a number or boolean as it stands.
type scalar string

// UnmarshalJSON takes what is no object, array or null.
func (s *scalar) UnmarshalJSON(b []byte) error {
	switch b[0] {
	case '"':
		var text string
		if err := json.Unmarshal(b, &text); err != nil {
			return err
		}
		*s = scalar(text)
		return nil
	case '{', '[', 'n':
		return errors.New("a parameter must be a string or a number")
	}
	*s = scalar(b)
	return nil
}

// rawParams are params as uploads carry them; nil where there are none.
func rawParams(in map[string]scalar) map[string]string {
	if in == nil {
		return nil
	}
	out := make(map[string]string, len(in))
	for k, v := range in {
		out[k] = string(v)
	}
	return out
}
