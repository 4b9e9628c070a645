package isolate

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/imaging"
	"github.com/tintype/tintype/internal/imaging/sniff"
	"github.com/tintype/tintype/internal/recipe"
)

// setup is what a child is told before it does anything.
type setup struct {
	Limits    imaging.Limits
	Documents []string
	Memory    int64 // bytes it may come to hold, 0: not limited by the kernel
	// ReadFiles says that the kernel confines which files can be opened, so that the
	// filter of system calls need not forbid opening any.
	ReadFiles bool
}

// hello is how a child reports that it is ready, or cannot be.
type hello struct {
	Error   string // why it cannot work; empty: it is ready
	Libvips string
	// Seccomp says that the filter of system calls is on; Lacks are what is not, in words.
	Seccomp bool
	Lacks   []string
}

// requestHead describes a request; the body is the source, then the assets in this order.
type requestHead struct {
	ID      uint64
	Job     *recipe.Job
	Assets  []string // keys
	Lengths []int64  // of source and assets
	Spare   bool
}

// answerHead describes an answer; the body is the outputs in this order. Content types
// and extensions are not in it: the parent has them from the format.
type answerHead struct {
	ID      uint64
	Fault   *faultHead `json:",omitempty"`
	Source  imaging.Info
	Outputs []outputHead
	Engine  string `json:",omitempty"`
}

type outputHead struct {
	Name, Format  string
	Width, Height int
	Quality       int
	OverTarget    bool `json:",omitempty"`
	ThumbHash     string
	DominantColor string
	Bytes         int64
}

type faultHead struct {
	Op, Code, Message, Hint, Cause string

	Kind fault.Kind
	// Memory says that what failed was an allocation.
	Memory bool `json:",omitempty"`
}

// Bounds on what a child may say.
const (
	maxText   = 1000    // bytes of a message, hint or cause
	maxSide   = 1 << 17 // pixels of an output's side
	maxPixels = 200_000_000
	maxHash   = 64 // characters of a ThumbHash in base64; 25 bytes at most are used
)

// codes are the codes that a child may give, with the kind that goes with each.
var codes = map[string]fault.Kind{
	fault.CodeNotAnImage: fault.Permanent, fault.CodeUnsupported: fault.Permanent, fault.CodeCorrupt: fault.Permanent,
	fault.CodeEmpty: fault.Permanent, fault.CodeTooLarge: fault.Permanent, fault.CodeTooManyPixels: fault.Permanent,
	fault.CodeSideTooLong: fault.Permanent, fault.CodeTooManyFrames: fault.Permanent, fault.CodeBadParameter: fault.Permanent,
	fault.CodeBadAsset: fault.Permanent, fault.CodeNotBuiltIn: fault.Permanent,
	fault.CodeInternal: fault.Bug,
}

// encodeRequest gives the head and the parts of the body.
func encodeRequest(id uint64, req imaging.Request) ([]byte, [][]byte, error) {
	h := requestHead{ID: id, Job: req.Job, Lengths: []int64{int64(len(req.Source))}, Spare: req.Spare}
	body := [][]byte{req.Source}
	for key := range req.Assets {
		h.Assets = append(h.Assets, key)
	}
	slices.Sort(h.Assets)
	for _, key := range h.Assets {
		h.Lengths = append(h.Lengths, int64(len(req.Assets[key])))
		body = append(body, req.Assets[key])
	}
	head, err := json.Marshal(h)
	return head, body, err
}

// decodeRequest is the child's side. The parent is trusted; what it passes on is not.
func decodeRequest(head, body []byte) (uint64, imaging.Request, error) {
	var h requestHead
	if err := json.Unmarshal(head, &h); err != nil {
		return 0, imaging.Request{}, fmt.Errorf("%w: request: %w", errProtocol, err)
	}
	if h.Job == nil || len(h.Lengths) != len(h.Assets)+1 {
		return 0, imaging.Request{}, fmt.Errorf("%w: request without a job or with %d lengths for %d assets", errProtocol, len(h.Lengths), len(h.Assets))
	}
	parts, err := split(body, h.Lengths)
	if err != nil {
		return 0, imaging.Request{}, err
	}
	req := imaging.Request{Source: parts[0], Job: h.Job, Spare: h.Spare}
	for i, key := range h.Assets {
		if req.Assets == nil {
			req.Assets = make(map[string][]byte, len(h.Assets))
		}
		req.Assets[key] = parts[i+1]
	}
	return h.ID, req, nil
}

// encodeAnswer is the child's side: what became of a request.
func encodeAnswer(id uint64, pic *imaging.Picture, failure error) ([]byte, [][]byte, error) {
	h := answerHead{ID: id}
	var body [][]byte
	if failure != nil {
		h.Fault = describe(failure)
	} else {
		h.Source, h.Engine = pic.Source, pic.Engine
		for _, o := range pic.Outputs {
			h.Outputs = append(h.Outputs, outputHead{Name: o.Name, Format: o.Format, Width: o.Width, Height: o.Height,
				Quality: o.Quality, OverTarget: o.OverTarget, ThumbHash: o.ThumbHash, DominantColor: o.DominantColor, Bytes: int64(len(o.Bytes))})
			body = append(body, o.Bytes)
		}
	}
	head, err := json.Marshal(h)
	return head, body, err
}

// describe puts a failure into what the parent accepts.
func describe(err error) *faultHead {
	f := &faultHead{Kind: fault.Bug, Code: fault.CodeInternal, Message: "The image could not be processed because of an error of ours.", Cause: clip(err.Error())}
	// libvips, glib and libjpeg all say it in these words.
	text := strings.ToLower(err.Error())
	f.Memory = strings.Contains(text, "out of memory") || strings.Contains(text, "insufficient memory") || strings.Contains(text, "cannot allocate memory")
	if e := fault.As(err); e != nil {
		if k, ok := codes[e.Code]; ok && k == e.Kind {
			f.Op, f.Code, f.Kind, f.Message, f.Hint = clip(e.Op), e.Code, e.Kind, clip(e.Message), clip(e.Hint)
			f.Cause = ""
			if e.Err != nil {
				f.Cause = clip(e.Err.Error())
			}
		}
	}
	return f
}

func clip(s string) string {
	if len(s) > maxText {
		s = s[:maxText]
	}
	return strings.ToValidUTF8(s, "")
}

// answer is what a child said, checked.
type answer struct {
	pic    *imaging.Picture
	failed *fault.Error
	memory bool // failed for want of memory
}

// decodeAnswer holds what a child says against what it was asked. Every error wraps
// errProtocol.
func decodeAnswer(head, body []byte, id uint64, job *recipe.Job, limits imaging.Limits) (answer, error) {
	var h answerHead
	if err := json.Unmarshal(head, &h); err != nil {
		return answer{}, fmt.Errorf("%w: answer: %w", errProtocol, err)
	}
	if h.ID != id {
		return answer{}, fmt.Errorf("%w: the answer is to another question", errProtocol)
	}
	if h.Fault != nil {
		f, err := h.Fault.check()
		if err == nil && len(body) > 0 {
			err = fmt.Errorf("%w: a failure with %d bytes of outputs", errProtocol, len(body))
		}
		return answer{failed: f, memory: h.Fault.Memory}, err
	}
	if err := checkInfo(h.Source, limits); err != nil {
		return answer{}, err
	}
	if len(h.Outputs) != len(job.Outputs) {
		return answer{}, fmt.Errorf("%w: %d outputs, want %d", errProtocol, len(h.Outputs), len(job.Outputs))
	}
	if h.Engine != imaging.EngineFused && h.Engine != imaging.EngineLibvips {
		return answer{}, fmt.Errorf("%w: made by %.20q", errProtocol, h.Engine)
	}
	lengths := make([]int64, len(h.Outputs))
	for i, o := range h.Outputs {
		lengths[i] = o.Bytes
	}
	parts, err := split(body, lengths)
	if err != nil {
		return answer{}, err
	}
	pic := &imaging.Picture{Source: h.Source, Engine: h.Engine, Outputs: make([]imaging.Encoded, len(parts))}
	for i, o := range h.Outputs {
		if pic.Outputs[i], err = o.check(parts[i], job.Outputs[i]); err != nil {
			return answer{}, err
		}
	}
	return answer{pic: pic}, nil
}

func (f *faultHead) check() (*fault.Error, error) {
	if k, ok := codes[f.Code]; !ok || k != f.Kind {
		return nil, fmt.Errorf("%w: a %v failure with code %.40q", errProtocol, f.Kind, f.Code)
	}
	for _, s := range []string{f.Message, f.Hint} {
		// People read these in a page and in mails. Ours name no addresses.
		if len(s) > maxText || !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) || strings.Contains(s, "://") {
			return nil, fmt.Errorf("%w: a message that is none of ours", errProtocol)
		}
	}
	if f.Message == "" {
		return nil, fmt.Errorf("%w: a failure without a message", errProtocol)
	}
	e := &fault.Error{Op: printable(clip(f.Op)), Kind: f.Kind, Code: f.Code, Message: f.Message, Hint: f.Hint}
	if f.Cause != "" {
		e.Err = errors.New(printable(clip(f.Cause)))
	}
	return e, nil
}

// printable replaces what would act on a terminal or break a line of a log.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '·'
		}
		return r
	}, strings.ToValidUTF8(s, "·"))
}

var sourceFormats = []string{sniff.JPEG, sniff.PNG, sniff.GIF, sniff.WebP, sniff.TIFF, sniff.HEIF, sniff.AVIF, sniff.SVG, sniff.PDF}

func checkInfo(i imaging.Info, l imaging.Limits) error {
	if !slices.Contains(sourceFormats, i.Format) || i.Width < 1 || i.Height < 1 || max(i.Width, i.Height) > l.Side || int64(i.Width)*int64(i.Height) > l.Pixels {
		return fmt.Errorf("%w: a source of %d × %d, %.20q", errProtocol, i.Width, i.Height, i.Format)
	}
	return nil
}

// colorForm is that of a dominant colour.
var colorForm = regexp.MustCompile(`^#[0-9a-f]{6}$`)

// check holds an output to its place in the job, and to the bytes themselves.
func (o outputHead) check(b []byte, want recipe.Output) (imaging.Encoded, error) {
	wrong := func(format string, args ...any) (imaging.Encoded, error) {
		return imaging.Encoded{}, fmt.Errorf("%w: output %s: %s", errProtocol, want.Name, fmt.Sprintf(format, args...))
	}
	if o.Name != want.Name {
		return wrong("named %.40q", o.Name)
	}
	contentType, ext, ok := imaging.Encoding(o.Format)
	if !ok || want.Format != recipe.Same && want.Format != recipe.Auto && string(want.Format) != o.Format {
		return wrong("in format %.20q, want %s", o.Format, want.Format)
	}
	if o.Width < 1 || o.Height < 1 || o.Width > maxSide || o.Height > maxSide || o.Width*o.Height > maxPixels {
		return wrong("%d × %d pixels", o.Width, o.Height)
	}
	if want.Width > 0 && o.Width > want.Width || want.Height > 0 && o.Height > want.Height {
		return wrong("%d × %d pixels, want at most %d × %d", o.Width, o.Height, want.Width, want.Height)
	}
	format, w, h, _ := sniff.Probe(b[:min(len(b), sniff.HeadSize)])
	if format != o.Format {
		return wrong("its bytes are %.20q, not %s", format, o.Format)
	}
	// What AVIF's header says first may be one tile of several.
	if format != sniff.AVIF && w > 0 && (w != o.Width || h != o.Height) {
		return wrong("%d × %d by its bytes, %d × %d by its word", w, h, o.Width, o.Height)
	}
	if _, err := base64.StdEncoding.DecodeString(o.ThumbHash); err != nil || len(o.ThumbHash) > maxHash {
		return wrong("no ThumbHash")
	}
	if !colorForm.MatchString(o.DominantColor) {
		return wrong("no dominant colour")
	}
	if o.Quality < 0 || o.Quality > 100 || o.OverTarget && want.TargetBytes == 0 {
		return wrong("quality %d, over a target of %d bytes: %t", o.Quality, want.TargetBytes, o.OverTarget)
	}
	return imaging.Encoded{Name: o.Name, Format: o.Format, ContentType: contentType, Ext: ext,
		Width: o.Width, Height: o.Height, Bytes: b,
		Quality: o.Quality, OverTarget: o.OverTarget, ThumbHash: o.ThumbHash, DominantColor: o.DominantColor}, nil
}

// decodeHello checks a child's first words.
func decodeHello(head, body []byte) (hello, error) {
	var h hello
	if err := json.Unmarshal(head, &h); err != nil || len(body) > 0 {
		return hello{}, fmt.Errorf("%w: no hello", errProtocol)
	}
	h.Error, h.Libvips = printable(clip(h.Error)), printable(clip(h.Libvips))
	if len(h.Lacks) > 8 {
		return hello{}, fmt.Errorf("%w: it lacks %d things", errProtocol, len(h.Lacks))
	}
	for i, s := range h.Lacks {
		h.Lacks[i] = printable(clip(s))
	}
	return h, nil
}
