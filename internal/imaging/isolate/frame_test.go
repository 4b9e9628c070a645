package isolate

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/imaging"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/testimages"
)

// job is the default recipe's job, with a name that makes a child misbehave.
func job(name string) *recipe.Job {
	j, err := recipe.Builtin().Resolve("", nil)
	if err != nil {
		panic(err)
	}
	if name != "" {
		j.Recipe = name
	}
	return j
}

func frame(t testing.TB, k kind, head []byte, body ...[]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := writeFrame(&b, k, head, body...); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestFrame(t *testing.T) {
	large := bytes.Repeat([]byte("0123456789"), 3_000_000) // read in several pieces
	b := frame(t, kindAnswer, []byte("head"), large[:7], large[7:])
	head, body, err := readFrame(bytes.NewReader(b), kindAnswer, int64(len(large)), nil)
	if err != nil || string(head) != "head" || !bytes.Equal(body, large) {
		t.Errorf("%q, %d bytes, %v", head, len(body), err)
	}
	if _, _, err := readFrame(bytes.NewReader(nil), kindAnswer, 1, nil); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
	for name, tc := range map[string]struct {
		change func([]byte) []byte
		want   error
	}{
		"another kind":   {func(b []byte) []byte { b[5] = byte(kindRequest); return b }, errProtocol},
		"another magic":  {func(b []byte) []byte { b[0] = 'X'; return b }, errProtocol},
		"version":        {func(b []byte) []byte { b[4]++; return b }, errProtocol},
		"no zeros":       {func(b []byte) []byte { b[6] = 1; return b }, errProtocol},
		"a long head":    {func(b []byte) []byte { binary.BigEndian.PutUint32(b[8:], maxHead+1); return b }, errProtocol},
		"a long body":    {func(b []byte) []byte { binary.BigEndian.PutUint64(b[12:], 101); return b }, errProtocol},
		"an endless one": {func(b []byte) []byte { binary.BigEndian.PutUint64(b[12:], 1<<63); return b }, errProtocol},
		"cut":            {func(b []byte) []byte { return b[:len(b)-1] }, io.ErrUnexpectedEOF},
		"cut in header":  {func(b []byte) []byte { return b[:7] }, io.ErrUnexpectedEOF},
	} {
		b := frame(t, kindAnswer, []byte("head"), make([]byte, 100))
		if _, _, err := readFrame(bytes.NewReader(tc.change(b)), kindAnswer, 100, nil); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := writeFrame(io.Discard, kindSetup, make([]byte, maxHead+1)); err == nil {
		t.Error("a head over the limit is written")
	}
	room := make([]byte, 0, 100)
	for _, n := range []int{100, 3, 101} {
		var b bytes.Buffer
		if err := writeFrame(&b, kindAnswer, nil, large[:n]); err != nil {
			t.Fatal(err)
		}
		_, got, err := readFrame(&b, kindAnswer, 200, room)
		if err != nil || !bytes.Equal(got, large[:n]) {
			t.Errorf("%d bytes into room for 100: %d, %v", n, len(got), err)
		}
		if reused := &got[0] == &room[:1][0]; reused != (n <= 100) {
			t.Errorf("%d bytes into room for 100: in it %v", n, reused)
		}
	}
}

func TestRequestSurvives(t *testing.T) {
	req := imaging.Request{Source: []byte("source"), Job: job(""), Assets: map[string][]byte{"b": []byte("second"), "a": {}}}
	head, parts, err := encodeRequest(5, req)
	if err != nil {
		t.Fatal(err)
	}
	id, got, err := decodeRequest(head, bytes.Join(parts, nil))
	if err != nil || id != 5 || string(got.Source) != "source" || string(got.Assets["b"]) != "second" || len(got.Assets) != 2 {
		t.Errorf("%d, %+v, %v", id, got, err)
	}
	if !reflect.DeepEqual(got.Job.Steps, req.Job.Steps) || !reflect.DeepEqual(got.Job.Outputs, req.Job.Outputs) || got.Job.Hash != req.Job.Hash {
		t.Errorf("job %+v, want %+v", got.Job, req.Job)
	}
}

// sound is an answer that is right in every part, to change one of.
func sound(t testing.TB) (*recipe.Job, answerHead, []byte) {
	t.Helper()
	j := &recipe.Job{Outputs: []recipe.Output{{Name: "full", Format: recipe.Same}, {Name: "thumb", Format: recipe.PNG, Width: 20}}}
	full, thumb := testimages.JPEG(40, 30), testimages.PNG(20, 15)
	h := answerHead{ID: 3, Engine: imaging.EngineFused, Source: imaging.Info{Width: 40, Height: 30, Format: "jpeg"}, Outputs: []outputHead{
		{Name: "full", Format: "jpeg", Width: 40, Height: 30, ThumbHash: "YTkGJwaRhWUIt4lbgnhZl3ath2BUBGYA", DominantColor: "#c0ffee", Bytes: int64(len(full))},
		{Name: "thumb", Format: "png", Width: 20, Height: 15, DominantColor: "#c0ffee", Bytes: int64(len(thumb))},
	}}
	return j, h, append(full, thumb...)
}

func TestAnswersAreChecked(t *testing.T) {
	limits, err := imaging.Limits{}.Filled()
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*answerHead){
		"":                     func(*answerHead) {},
		"id":                   func(h *answerHead) { h.ID++ },
		"source format":        func(h *answerHead) { h.Source.Format = "exe" },
		"source size":          func(h *answerHead) { h.Source.Width = 30_000 },
		"source pixels":        func(h *answerHead) { h.Source.Width, h.Source.Height = 20_000, 20_000 },
		"fewer outputs":        func(h *answerHead) { h.Outputs = h.Outputs[:1] },
		"more outputs":         func(h *answerHead) { h.Outputs = append(h.Outputs, outputHead{Name: "x"}) },
		"name":                 func(h *answerHead) { h.Outputs[0].Name = "../full" },
		"order":                func(h *answerHead) { h.Outputs[0], h.Outputs[1] = h.Outputs[1], h.Outputs[0] },
		"format unknown":       func(h *answerHead) { h.Outputs[0].Format = "svg" },
		"format not asked for": func(h *answerHead) { h.Outputs[1].Format = "jpeg" },
		"format not as bytes":  func(h *answerHead) { h.Outputs[0].Format = "png" },
		"size not as bytes":    func(h *answerHead) { h.Outputs[0].Width = 41 },
		"size over the bound":  func(h *answerHead) { h.Outputs[1].Width = 21 },
		"no size":              func(h *answerHead) { h.Outputs[0].Height = 0 },
		"endless size":         func(h *answerHead) { h.Outputs[0].Height = 1 << 40 },
		"no hash":              func(h *answerHead) { h.Outputs[0].ThumbHash = "<script>" },
		"long hash":            func(h *answerHead) { h.Outputs[0].ThumbHash = strings.Repeat("AAAA", 40) },
		"no colour":            func(h *answerHead) { h.Outputs[0].DominantColor = "red" },
		"quality":              func(h *answerHead) { h.Outputs[0].Quality = 101 },
		"over no target":       func(h *answerHead) { h.Outputs[0].OverTarget = true },
		"negative length":      func(h *answerHead) { h.Outputs[0].Bytes = -1 },
		"length":               func(h *answerHead) { h.Outputs[0].Bytes++ },
		"fault with outputs": func(h *answerHead) {
			h.Fault = &faultHead{Code: fault.CodeCorrupt, Kind: fault.Permanent, Message: "M."}
		},
	} {
		j, h, body := sound(t)
		change(&h)
		head, err := json.Marshal(h)
		if err != nil {
			t.Fatal(err)
		}
		a, err := decodeAnswer(head, body, 3, j, limits)
		if name == "" {
			if err != nil || a.pic.Outputs[1].ContentType != "image/png" || a.pic.Outputs[0].Ext != "jpg" {
				t.Errorf("the sound one: %v", err)
			}
		} else if !errors.Is(err, errProtocol) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, f := range map[string]faultHead{
		"code":    {Code: "image_of_mine", Kind: fault.Permanent, Message: "M."},
		"kind":    {Code: fault.CodeCorrupt, Kind: fault.Retry, Message: "M."},
		"control": {Code: fault.CodeCorrupt, Kind: fault.Permanent, Message: "M.\x1b[2J"},
		"lines":   {Code: fault.CodeCorrupt, Kind: fault.Permanent, Message: "M.\nM."},
		"address": {Code: fault.CodeCorrupt, Kind: fault.Permanent, Message: "Log in at https://evil.example."},
		"long":    {Code: fault.CodeCorrupt, Kind: fault.Permanent, Message: strings.Repeat("M", maxText+1)},
		"nothing": {Code: fault.CodeCorrupt, Kind: fault.Permanent},
	} {
		head, err := json.Marshal(answerHead{ID: 3, Fault: &f})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := decodeAnswer(head, nil, 3, job(""), limits); !errors.Is(err, errProtocol) {
			t.Errorf("fault's %s: %v", name, err)
		}
	}
}

// FuzzParentReads gives the parent whatever a child may send.
func FuzzParentReads(f *testing.F) {
	j, h, body := sound(f)
	head, err := json.Marshal(h)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(frame(f, kindAnswer, head, body))
	head, err = json.Marshal(answerHead{ID: 3, Fault: describe(errors.New("x"))})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(frame(f, kindAnswer, head))
	f.Add(frame(f, kindHello, []byte(`{"Libvips":"8.14.1","Seccomp":true,"Lacks":["x"]}`)))
	limits, err := imaging.Limits{}.Filled()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if head, body, err := readFrame(bytes.NewReader(b), kindHello, 0, nil); err == nil {
			_, _ = decodeHello(head, body)
		}
		head, body, err := readFrame(bytes.NewReader(b), kindAnswer, 1<<20, nil)
		if err != nil {
			return
		}
		a, err := decodeAnswer(head, body, 3, j, limits)
		switch {
		case err != nil:
			if !errors.Is(err, errProtocol) {
				t.Errorf("%v is no fault of the protocol", err)
			}
		case a.failed != nil:
			if codes[a.failed.Code] != a.failed.Kind || a.failed.Message == "" {
				t.Errorf("%+v is let through", a.failed)
			}
		default:
			for i, o := range a.pic.Outputs {
				if o.Name != j.Outputs[i].Name || o.ContentType == "" || o.Width < 1 || len(o.Bytes) > len(body) {
					t.Errorf("%+v is let through", o)
				}
			}
		}
	})
}

// FuzzChildReads gives a child whatever may come through its socket.
func FuzzChildReads(f *testing.F) {
	head, parts, err := encodeRequest(1, imaging.Request{Source: testimages.PNG(4, 4), Job: job(""), Assets: map[string][]byte{"a": []byte("b")}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(frame(f, kindRequest, head, parts...))
	f.Fuzz(func(t *testing.T, b []byte) {
		head, body, err := readFrame(bytes.NewReader(b), kindRequest, 1<<20, nil)
		if err != nil {
			return
		}
		if _, req, err := decodeRequest(head, body); err == nil && (req.Job == nil || len(req.Source) > len(body)) {
			t.Errorf("%+v is let through", req)
		}
	})
}
