package web

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/testimages"
)

func TestMultipartOrders(t *testing.T) {
	s := newSystem(t, nil)
	file := field{"file", "a.png", testimages.PNG(6, 6)}
	kind := field{name: "recipe", body: []byte("duotone")}
	dark := field{name: "dark", body: []byte("#001122")}
	for name, fields := range map[string][]field{
		"file first":  {file, kind, dark},
		"file last":   {kind, dark, file},
		"file inside": {dark, file, kind},
	} {
		t.Run(name, func(t *testing.T) {
			id := s.uploaded(file.filename, file.body, fieldsBut(fields, "file")...)
			if img := s.image(id); img.Recipe != "duotone" || img.Params["dark"] != "#001122" || img.Params["light"] != "#ffd166" {
				t.Errorf("%s: %+v", name, img)
			}
			a := s.upload(nil, fields...)
			if a.StatusCode != http.StatusAccepted {
				t.Errorf("%s: %s %s", name, a.Status, a.body)
			}
		})
	}
}

func fieldsBut(fields []field, name string) (out []field) {
	for _, f := range fields {
		if f.name != name {
			out = append(out, f)
		}
	}
	return out
}

func TestRefusedAtTheDoor(t *testing.T) {
	s := newSystem(t, func(o *Options) { o.MaxBytes, o.MaxPixels = 2_000_000, 1_000_000 })
	good := field{"file", "a.png", testimages.PNG(6, 6)}
	type row struct {
		fields []field
		status int
		code   string
	}
	one := func(name string, body []byte) []field { return []field{{"file", name, body}} }
	rows := map[string]row{
		"empty":          {one("a.png", nil), 422, fault.CodeEmpty},
		"html":           {one("a.png", testimages.HTML()), 415, fault.CodeNotAnImage},
		"svg":            {one("a.png", testimages.SVG()), 415, fault.CodeUnsupported},
		"20,001 px wide": {one("a.png", testimages.BlackPNG(20001, 40)), 422, fault.CodeSideTooLong},
		"400 megapixels": {one("a.png", testimages.HugePNG()), 422, fault.CodeTooManyPixels},
		"bomb":           {one("a.jpg", testimages.BombJPEG()), 422, fault.CodeTooManyPixels},
		"1.1 megapixels": {one("a.png", testimages.BlackPNG(1100, 1001)), 422, fault.CodeTooManyPixels},
		"too large":      {one("a.png", append(testimages.PNG(6, 6), make([]byte, 2_000_000)...)), 413, fault.CodeTooLarge},
		"unknown recipe": {[]field{good, {name: "recipe", body: []byte("paint")}}, 422, fault.CodeUnknownRecipe},
		"bad colour":     {[]field{good, {name: "tint", body: []byte("reddish")}}, 422, fault.CodeBadParameter},
		"strength 2":     {[]field{good, {name: "strength", body: []byte("2")}}, 422, fault.CodeBadParameter},
		"unknown field":  {[]field{good, {name: "hue", body: []byte("2")}}, 422, fault.CodeBadParameter},
		"no file":        {[]field{{name: "tint", body: []byte("#fff")}}, 400, fault.CodeBadRequest},
		"two files":      {[]field{good, good}, 400, fault.CodeBadRequest},
		"field twice":    {[]field{good, {name: "tint", body: []byte("#fff")}, {name: "tint", body: []byte("#000")}}, 400, fault.CodeBadRequest},
		"long field":     {[]field{good, {name: "tint", body: bytes.Repeat([]byte("f"), maxField+1)}}, 400, fault.CodeBadRequest},
		"long name":      {one(strings.Repeat("n", maxName+1), good.body), 400, fault.CodeBadRequest},
		"many fields":    {append(make([]field, 0, 80), manyFields(80)...), 400, fault.CodeBadRequest},
	}
	for name, r := range rows {
		t.Run(name, func(t *testing.T) { s.refused(s.upload(nil, r.fields...), r.status, r.code) })
	}
	_, body := form(good)
	// Wherever a form is cut off, it is not taken for the whole.
	whole, longer := form(good, field{name: "tint", body: []byte("#112233")})
	second := bytes.LastIndex(longer, []byte("Content-Disposition"))
	for _, cut := range []int{len(longer) - 30, second, second + 10, second - 3, 40} {
		s.refused(s.request("POST", "/api/images", bytes.NewReader(longer[:cut]), "Content-Type", whole), 400, fault.CodeBadRequest)
	}
	s.refused(s.request("POST", "/api/images", bytes.NewReader(good.body), "Content-Type", "image/png"), 415, codeMediaType)
	s.refused(s.request("POST", "/api/images", bytes.NewReader(body), "Content-Type", "multipart/form-data"), 415, codeMediaType)

	var l imageList
	s.json("GET", "/api/images", "", 200).json(t, &l)
	if len(l.Images) != 0 {
		t.Errorf("what was refused was stored: %+v", l.Images)
	}
	if left, err := os.ReadDir(s.web.o.TempDir); err != nil || len(left) != 0 {
		t.Errorf("refused uploads left %v behind (%v)", left, err)
	}
}

func manyFields(n int) (out []field) {
	for i := range n {
		out = append(out, field{name: fmt.Sprintf("f%d", i), body: []byte("x")})
	}
	return out
}

// A client that announces too much, or sends without end, is stopped early.
func TestOversizeStopsEarly(t *testing.T) {
	s := newSystem(t, func(o *Options) { o.MaxBytes = 1_000_000 })
	t.Run("announced", func(t *testing.T) {
		c := dial(t, s.url)
		// The body is never sent: an answer can come only from the header.
		fmt.Fprintf(c, "POST /api/images HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 900000000\r\nExpect: 100-continue\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || resp.StatusCode != http.StatusRequestEntityTooLarge {
			t.Fatalf("answer is %v, %v", resp, err)
		}
		resp.Body.Close()
	})
	t.Run("endless", func(t *testing.T) {
		c := dial(t, s.url)
		fmt.Fprintf(c, "POST /api/images HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\nTransfer-Encoding: chunked\r\n\r\n")
		chunk := func(p []byte) error {
			_, err := fmt.Fprintf(c, "%x\r\n%s\r\n", len(p), p)
			return err
		}
		if err := chunk([]byte("--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		sent := 0
		answered := make(chan *http.Response, 1)
		go func() {
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				resp = nil
			}
			answered <- resp
		}()
		zeros := make([]byte, 64<<10)
		for sent < 500_000_000 {
			if err := chunk(zeros); err != nil {
				break // the server has closed
			}
			sent += len(zeros)
		}
		resp := <-answered
		if resp == nil || resp.StatusCode != http.StatusRequestEntityTooLarge {
			t.Fatalf("answer is %v", resp)
		}
		resp.Body.Close()
		if sent > 100_000_000 { // the kernel's buffers take some of it
			t.Errorf("%d bytes went out before the server closed", sent)
		}
		if left, err := os.ReadDir(s.web.o.TempDir); err != nil || len(left) != 0 {
			t.Errorf("the upload left %v behind (%v)", left, err)
		}
	})
}

func dial(t *testing.T, url string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return c
}

// An upload may take longer than the server's read time-out, as long as it keeps coming.
func TestSlowUpload(t *testing.T) {
	s := newSystem(t, nil) // its server reads for one second only
	ct, body := form(field{"file", "slow.png", testimages.PNG(40, 40)})
	pr, pw := io.Pipe()
	go func() {
		tick := time.NewTicker(200 * time.Millisecond) // the pace is what is tested
		defer tick.Stop()
		for part := range 8 {
			<-tick.C
			from, to := part*len(body)/8, (part+1)*len(body)/8
			if _, err := pw.Write(body[from:to]); err != nil {
				return
			}
		}
		pw.Close()
	}()
	if a := s.request("POST", "/api/images", pr, "Content-Type", ct); a.StatusCode != http.StatusAccepted {
		t.Errorf("slow upload: %s %s", a.Status, a.body)
	}
}

func TestTooManyAtOnce(t *testing.T) {
	s := newSystem(t, func(o *Options) { o.Uploads = 1 })
	s.web.slots <- struct{}{}
	a := s.upload(nil, field{"file", "a.png", testimages.PNG(4, 4)})
	s.refused(a, 503, codeBusy)
	if a.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	<-s.web.slots
	s.uploaded("a.png", testimages.PNG(4, 4))
}

var hostileNames = map[string]string{
	"script":      `<script>alert(1).png`,
	"attribute":   `x" onerror="alert(1).png`,
	"escaped":     `a\" onmouseover=\"alert(1).png`,
	"img":         `<img src=x onerror=alert(1)>.png`,
	"template":    `{{.Version}}.png`,
	"traversal":   `../../../etc/passwd.png`,
	"backslashes": `..\..\boot.png`,
	"dots":        `..`,
	"newline":     "a%0d%0aX-Evil: 1.png",
	"rtl":         "evil\u202egnp.exe",
	"zero width":  "a\u200b\u2066b.png",
	"emoji":       "🐈‍⬛ naïve ñ 猫.png",
	"long":        strings.Repeat("é", 150) + ".png",
	"very long":   strings.Repeat("x", 3000) + ".png",
	"spaces":      " a  b+c%20d .png",
	"form field":  "${filename}.png",
	"not utf-8":   "bad\xff\xfe.png",
	"dash":        "-rf.png",
}

func TestHostileNames(t *testing.T) {
	s := newSystem(t, nil)
	for kind, name := range hostileNames {
		id := s.uploaded(strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name), testimages.PNG(5, 5))
		s.mustProcess(id)
		img := s.image(id)
		if !strings.HasPrefix(img.Key, id+"/") || strings.Count(img.Key, "/") != 1 || len(img.Key) > 1024 || img.Name == "" || img.Name == ".." ||
			!utf8.ValidString(img.Name) || strings.ContainsFunc(img.Name, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }) {
			t.Errorf("%s: the name is %q", kind, img.Name)
		}
		for _, path := range []string{"/original?download", "/outputs/full?download"} {
			to := s.request("GET", "/api/images/"+id+path, nil)
			if to.StatusCode != http.StatusFound {
				t.Fatalf("%s: %s: %s %s", kind, path, to.Status, to.body)
			}
			if a := s.request("GET", to.Header.Get("Location"), nil); a.StatusCode != http.StatusOK || a.Header.Get("X-Evil") != "" {
				t.Errorf("%s: %s: %s %.200s", kind, path, a.Status, a.body)
			}
		}
	}
	page := string(s.request("GET", "/", nil).body)
	for _, bad := range []string{"<script>alert", "<img src=x", `" onerror="`, `" onmouseover="`, "\u202e"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page contains %q", bad)
		}
	}
	if !strings.Contains(page, "&lt;script&gt;alert(1).png") || !strings.Contains(page, "🐈‍⬛ naïve ñ 猫.png") {
		t.Error("the page does not show the names")
	}
}

// The page works without scripts: a form, a redirect, a list; errors are shown as a page.
func TestPageWithoutScripts(t *testing.T) {
	s := newSystem(t, nil)
	browser := []string{"Accept", "text/html,application/xhtml+xml,*/*;q=0.8", "Origin", s.url, "Sec-Fetch-Site", "same-origin"}
	a := s.upload(browser,
		field{name: "recipe", body: []byte("sepia")},
		field{name: "tint.tint", body: []byte("#ff8800")}, field{name: "tint.strength", body: []byte("1")},
		field{name: "sepia.strength", body: []byte("0.4")}, field{name: "duotone.dark", body: []byte("#000000")},
		field{"file", "plain.png", testimages.PNG(9, 9)})
	if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/" {
		t.Fatalf("form: %s to %q: %s", a.Status, a.Header.Get("Location"), a.body)
	}
	page := s.request("GET", "/", nil, browser...)
	for _, want := range []string{"plain.png", "waiting", "sepia · strength 0.4", `http-equiv="refresh"`, `name="duotone.light"`} {
		if !strings.Contains(string(page.body), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	var l imageList
	s.json("GET", "/api/images", "", 200).json(t, &l)
	s.mustProcess(l.Images[0].ID)
	page = s.request("GET", "/", nil, browser...)
	if !strings.Contains(string(page.body), `src="/api/images/`+l.Images[0].ID+`/outputs/thumb?v=`) || strings.Contains(string(page.body), `http-equiv="refresh"`) {
		t.Errorf("the page does not show the finished image:\n%s", page.body)
	}

	a = s.upload(browser, field{"file", "a.txt", []byte("hello <b>")})
	if a.StatusCode != http.StatusUnsupportedMediaType || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") || !strings.Contains(string(a.body), "Not an image") {
		t.Errorf("refused form: %s %s %.300s", a.Status, a.Header.Get("Content-Type"), a.body)
	}
}

// TestNoRoomIsSaidSo: a full directory for temporary files is no fault of the client's, and no
// mystery either; any other fault of our own disk stays between us and the log.
func TestNoRoomIsSaidSo(t *testing.T) {
	for err, want := range map[error]int{syscall.ENOSPC: http.StatusInsufficientStorage, syscall.EDQUOT: http.StatusInsufficientStorage, syscall.EIO: http.StatusInternalServerError} {
		p := problemOf(spoolFault(&fs.PathError{Op: "write", Path: "/tmp/tintype-upload-1", Err: err}))
		if p.Status != want || strings.Contains(p.Detail+p.Hint, "/tmp") || (want == http.StatusInsufficientStorage) != (p.Hint != "") {
			t.Errorf("%v is told as %+v", err, p)
		}
	}
}
