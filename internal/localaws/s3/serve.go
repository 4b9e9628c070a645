package s3

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"
	"github.com/versity/versitygw/s3api/utils"
	"github.com/versity/versitygw/s3err"
)

// ServeHTTP serves one S3 request; signatures are verified on the way. The path must
// reach it as the client sent it: a ServeMux, which cleans paths, would refuse keys
// such as "a//b".
//
// versitygw is written for fasthttp. The request is handed to it in process: no
// socket in between, bodies streamed in both directions.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	invite(w, r)
	body := &upstream{r: r}
	if !slices.Contains(knownMethods, r.Method) {
		// fiber would answer in plain text.
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(http.StatusMethodNotAllowed)
		_, _ = w.Write(s3err.GetMethodNotAllowedErr(r.Method, s3err.ResourceTypeService, nil).XMLBody(utils.NewS3RequestID(), utils.NewS3HostID())) // a client that left cannot be told
		return
	}
	var c fasthttp.RequestCtx
	c.Init(&fasthttp.Request{}, remoteAddr(r), silent{})
	if err := s.translate(&c, r, body); err != nil {
		s.log.Warn("a request's header could not be read", "path", r.URL.Path, "err", err)
		http.Error(w, "The request header could not be read.", http.StatusBadRequest)
		return
	}
	c.SetUserValue(requestKey{}, s.requestFrom(r))
	req := requestOf(&c)
	c.SetUserValue(string(utils.ContextKeyRequestID), req.id)
	c.SetUserValue(string(utils.ContextKeyHostID), req.hostID)
	s.serve(&c)
	if c.Response.StatusCode() >= http.StatusBadRequest {
		body.drain()
	}
	s.reply(w, r, &c)
}

// knownMethods are those that fiber has routes for.
var knownMethods = []string{http.MethodGet, http.MethodPut, http.MethodHead, http.MethodPost, http.MethodDelete, http.MethodOptions, http.MethodPatch, http.MethodTrace, http.MethodConnect}

// requestFrom collects what the backend will ask for.
func (s *Service) requestFrom(r *http.Request) *request {
	q := r.URL.Query()
	signed := r.URL.EscapedPath()
	if b, ok := s.bucketOfHost(r.Host); ok {
		signed = "/" + b + signed
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	return &request{
		ctx: r.Context(), id: utils.NewS3RequestID(), hostID: utils.NewS3HostID(), sourceIP: host, created: eventPut,
		signedPath: signed,
		encodeURL:  q.Get("encoding-type") == "url",
		ifMatch:    utils.TrimQuotes(r.Header.Get("If-Match")), ifNoneMatch: utils.TrimQuotes(r.Header.Get("If-None-Match")),
		objectRequest: newObjectRequest(r, q),
	}
}

// translate fills c's request with r and its body.
func (s *Service) translate(c *fasthttp.RequestCtx, r *http.Request, body io.Reader) error {
	h := &c.Request.Header
	if err := h.Read(headerReader(r)); err != nil {
		return err
	}
	h.SetRequestURI(r.RequestURI)
	uri := c.Request.URI()
	uri.SetQueryString(r.URL.RawQuery)
	// Decoded once, here: this is the form in which versitygw looks for the key, and
	// from which it works out what the client signed.
	path := r.URL.Path
	if b, ok := s.bucketOfHost(r.Host); ok {
		c.SetUserValue(originalPath, path)
		path = "/" + b + path
	}
	uri.SetPath(path)
	switch {
	case r.ContentLength > 0 || r.ContentLength < 0 && r.Body != http.NoBody:
		c.Request.SetBodyStream(withTrailer(r, body), int(r.ContentLength))
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		h.SetContentLength(0)
	}
	return nil
}

// headerReader writes the request's header out again. fasthttp shall parse it: part
// of versitygw reads headers from what was parsed, not from what was set.
func headerReader(r *http.Request) *bufio.Reader {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s / HTTP/1.1\r\nHost: %s\r\n", r.Method, r.Host)
	for name, values := range r.Header {
		switch name {
		case "Host", "Content-Length", "Transfer-Encoding":
			continue // framing is net/http's, and known to us already
		}
		for _, v := range values {
			fmt.Fprintf(&b, "%s: %s\r\n", name, v)
		}
	}
	b.WriteString("\r\n")
	return bufio.NewReaderSize(&b, b.Len())
}

// originalPath is the user value under which versitygw's signature check looks for
// the path that was signed, where the bucket came with the host.
const originalPath = "original-uri-path"

// serviceLabel is what stands between bucket and domain: "s3", "s3.eu-west-1",
// "s3-eu-west-1", "s3.dualstack.eu-west-1", "s3-accelerate".
var serviceLabel = regexp.MustCompile(`(^|\.)s3(-accelerate|[.-](dualstack\.)?[a-z]{2}(-[a-z]+)+-[0-9])?$`)

// bucketOfHost is the bucket of a virtual-hosted-style request.
func (s *Service) bucketOfHost(hostport string) (string, bool) {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.ToLower(host)
	for _, d := range s.opts.Domains {
		b, ok := strings.CutSuffix(host, "."+d)
		if !ok {
			continue
		}
		if at := serviceLabel.FindStringIndex(b); at != nil {
			return b[:at[0]], at[0] > 0
		}
		// Only at S3's own domain the service must be named.
		return b, b != "" && d != awsDomain
	}
	return "", false
}

// awsDomain is S3's: hosts files send it here.
const awsDomain = "amazonaws.com"

// reply sends c's response.
func (s *Service) reply(w http.ResponseWriter, r *http.Request, c *fasthttp.RequestCtx) {
	resp := &c.Response
	defer func() { _ = resp.CloseBodyStream() }() // only read from
	status := resp.StatusCode()
	out := w.Header()
	for k, v := range resp.Header.All() {
		switch name := string(k); http.CanonicalHeaderKey(name) {
		case "Connection", "Date", "Server", "Content-Length", "Transfer-Encoding":
			// net/http's own business, and ours below
		case "Content-Type":
			out.Set(name, string(v))
		default:
			if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-amz-") {
				// Assigned, not set: S3 sends these names in lower case, which matters for
				// user metadata. versitygw sets some of them twice.
				out[lower] = []string{string(v)}
				continue
			}
			out[name] = append(out[name], string(v))
		}
	}
	for _, h := range requestOf(c).told {
		out[h.name] = []string{h.value}
	}
	out.Set("Server", "AmazonS3")
	// AWS's own S3 leaves that to what stands before it; here nothing does, and uploaded bytes
	// are shown in browsers under the type that their presigned URL names, and no other.
	out.Set("X-Content-Type-Options", "nosniff")
	stream := resp.BodyStream()
	var body []byte
	if stream == nil {
		body = resp.Body()
	}
	if status >= http.StatusBadRequest {
		body = plainText(body)
	}
	bodiless := status == http.StatusNoContent || status == http.StatusNotModified || r.Method == http.MethodHead
	length := resp.Header.ContentLength()
	if stream == nil && (r.Method != http.MethodHead || status >= 300) {
		length = len(body)
	}
	switch {
	case status == http.StatusNoContent || status == http.StatusNotModified || r.Method == http.MethodHead && status >= 300:
		out.Del("Content-Type")
	case length >= 0:
		out.Set("Content-Length", strconv.Itoa(length))
		if length == 0 && r.Method != http.MethodHead && r.Method != http.MethodGet {
			out.Del("Content-Type")
		}
	}
	if out.Get("Content-Type") == "" {
		out["Content-Type"] = nil // keeps net/http from guessing one
	}
	w.WriteHeader(status)
	switch {
	case bodiless:
	case stream != nil:
		if _, err := io.Copy(w, stream); err != nil {
			// The client went away, or the disk failed: what was promised cannot be
			// sent, and net/http closes the connection because of it.
			s.log.Debug("a response was cut short", "path", r.URL.Path, "err", err)
		}
	default:
		_, _ = w.Write(body) // a client that left cannot be told
	}
}

// remoteAddr is the client's address in fasthttp's form.
func remoteAddr(r *http.Request) net.Addr {
	host, port, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return nil
	}
	n, _ := strconv.Atoi(port)
	return &net.TCPAddr{IP: net.ParseIP(host), Port: n}
}

// silent is fasthttp's logger: we log ourselves.
type silent struct{}

func (silent) Printf(string, ...any) {}
