package s3

import (
	"net/http"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v3"
	"github.com/versity/versitygw/s3api/controllers"
	"github.com/versity/versitygw/s3err"
)

// maxCORSRules is how many rules a bucket takes.
// Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketCors.html
const maxCORSRules = 100

const corsVary = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"

// corsRule is one rule of a bucket's CORS configuration.
type corsRule struct {
	origins, methods, headers, expose []string
	maxAge                            string
}

func corsShape() *shape {
	return tree(slot{"CORSRule", tree(
		may("ID", free()),
		any0("AllowedHeader", free()), some("AllowedMethod", free()), some("AllowedOrigin", free()), any0("ExposeHeader", free()),
		may("MaxAgeSeconds", whole()),
	), 1, maxCORSRules})
}

// readCORS validates a configuration as S3 does.
func readCORS(body []byte) (*element, error) {
	doc, err := readDocument(body, "CORSConfiguration", corsShape())
	if err != nil {
		return nil, err
	}
	for _, r := range doc.all("CORSRule") {
		for _, m := range r.all("AllowedMethod") {
			if !slices.Contains([]string{"GET", "PUT", "POST", "DELETE", "HEAD"}, m.text) {
				return nil, invalidRequest("Found unsupported HTTP method in CORS config. Unsupported method is " + m.text)
			}
		}
		for _, o := range r.all("AllowedOrigin") {
			if strings.Count(o.text, "*") > 1 {
				return nil, invalidRequest("AllowedOrigin \"" + o.text + "\" can not have more than one wildcard.")
			}
		}
		for _, h := range r.all("AllowedHeader") {
			if strings.Count(h.text, "*") > 1 {
				return nil, invalidRequest("AllowedHeader \"" + h.text + "\" can not have more than one wildcard.")
			}
		}
		for _, h := range r.all("ExposeHeader") {
			if strings.Contains(h.text, "*") {
				return nil, invalidRequest("ExposeHeader \"" + h.text + "\" contains wildcard. We currently do not support wildcard for ExposeHeader.")
			}
		}
		if id := r.value("ID"); len(id) > maxIDLen {
			return nil, badArgument("ID", id, "ID length should not exceed allowed limit of 255")
		}
	}
	return doc, nil
}

// parseCORS reads a stored configuration.
func parseCORS(doc []byte) ([]corsRule, error) {
	root, err := parseElement(doc)
	if err != nil {
		return nil, err
	}
	texts := func(es []*element) (out []string) {
		for _, e := range es {
			out = append(out, e.text)
		}
		return out
	}
	var rules []corsRule
	for _, r := range root.all("CORSRule") {
		rules = append(rules, corsRule{
			origins: texts(r.all("AllowedOrigin")), methods: texts(r.all("AllowedMethod")),
			headers: texts(r.all("AllowedHeader")), expose: texts(r.all("ExposeHeader")), maxAge: r.value("MaxAgeSeconds"),
		})
	}
	return rules, nil
}

// wild compares with a pattern that may have one asterisk.
func wild(pattern, s string) bool {
	head, tail, ok := strings.Cut(pattern, "*")
	if !ok {
		return pattern == s
	}
	return len(s) >= len(head)+len(tail) && strings.HasPrefix(s, head) && strings.HasSuffix(s, tail)
}

// allows says whether the rule lets the origin use the method with the headers, and
// whether it lets any origin.
func (r corsRule) allows(origin, method string, headers []string) (ok, anyOrigin bool) {
	i := slices.IndexFunc(r.origins, func(o string) bool { return wild(o, origin) })
	if i < 0 || !slices.Contains(r.methods, method) {
		return false, false
	}
	for _, h := range headers {
		if !slices.ContainsFunc(r.headers, func(a string) bool { return wild(strings.ToLower(a), h) }) {
			return false, false
		}
	}
	return true, r.origins[i] == "*"
}

// applyCORS puts the headers of the first rule that allows the request on the answer.
func applyCORS(c fiber.Ctx, rules []corsRule, origin, method string, headers []string) bool {
	for _, r := range rules {
		ok, everybody := r.allows(origin, method, headers)
		if !ok {
			continue
		}
		req := requestOf(c.RequestCtx())
		if everybody {
			req.tell("Access-Control-Allow-Origin", "*")
		} else {
			req.tell("Access-Control-Allow-Origin", strings.Clone(origin))
			req.tell("Access-Control-Allow-Credentials", "true")
		}
		req.tell("Access-Control-Allow-Methods", strings.Join(r.methods, ", "))
		req.tell("Access-Control-Allow-Headers", strings.Join(headers, ", "))
		req.tell("Access-Control-Expose-Headers", strings.Join(r.expose, ", "))
		req.tell("Access-Control-Max-Age", r.maxAge)
		req.tell("Vary", corsVary)
		return true
	}
	return false
}

// corsHeaders reads Access-Control-Request-Headers, in lower case.
func corsHeaders(c fiber.Ctx) []string {
	var out []string
	for h := range strings.SplitSeq(c.Get("Access-Control-Request-Headers"), ",") {
		if h = strings.ToLower(strings.TrimSpace(h)); h != "" {
			out = append(out, h)
		}
	}
	return out
}

// crossOrigin answers the browsers that a bucket's configuration lets in: it adds
// headers where a rule fits, and refuses nothing.
func (t *table) crossOrigin(c fiber.Ctx) error {
	origin := c.Get("Origin")
	if origin == "" || c.Params("bucket") == "" {
		return nil
	}
	st, err := t.s.settings(c.RequestCtx(), c.Params("bucket"))
	if err != nil || len(st.cors) == 0 {
		return nil //nolint:nilerr // whatever is wrong, the operation finds it, too
	}
	// S3 looks at what a preflight would ask for, here as well.
	method := c.Get("Access-Control-Request-Method")
	if method == "" {
		method = c.Method()
	}
	applyCORS(c, st.cors, origin, method, corsHeaders(c))
	return nil
}

// preflight answers OPTIONS.
// Source: https://docs.aws.amazon.com/AmazonS3/latest/API/RESTOPTIONSobject.html
func (t *table) preflight(c fiber.Ctx) (*controllers.Response, error) {
	resp := &controllers.Response{}
	origin, method := c.Get("Origin"), c.Get("Access-Control-Request-Method")
	if origin == "" {
		return resp, failure(http.StatusBadRequest, "BadRequest", "Insufficient information. Origin request header needed.")
	}
	refused := func(why string, resource s3err.ResourceType) error {
		told := method
		if told == "" {
			told = c.Method()
		}
		return failure(http.StatusForbidden, "AccessForbidden", "CORSResponse: "+why, "Method", told, "ResourceType", string(resource))
	}
	st, err := t.s.settings(c.RequestCtx(), c.Params("bucket"))
	switch {
	case isNoSuchBucket(err):
		return resp, refused("Bucket not found", s3err.ResourceTypeBucket)
	case err != nil:
		return resp, err
	case len(st.cors) == 0:
		return resp, refused("CORS is not enabled for this bucket.", s3err.ResourceTypeBucket)
	case method == "":
		return resp, failure(http.StatusBadRequest, "BadRequest", "Invalid Access-Control-Request-Method: null")
	case !slices.Contains([]string{"GET", "PUT", "POST", "DELETE", "HEAD"}, method):
		return resp, failure(http.StatusBadRequest, "BadRequest", "Invalid Access-Control-Request-Method: "+method)
	}
	if !applyCORS(c, st.cors, origin, method, corsHeaders(c)) {
		kind := s3err.ResourceTypeObject
		if p := strings.TrimPrefix(c.Path(), "/"+c.Params("bucket")); p == "" || p == "/" {
			kind = s3err.ResourceTypeBucket
		}
		return resp, refused("This CORS request is not allowed. This is usually because the evalution of Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.", kind)
	}
	c.Response().Header.SetContentLength(0)
	return resp, nil
}

func (t *table) getCORS(c fiber.Ctx) (*controllers.Response, error) {
	resp := &controllers.Response{}
	name := c.Params("bucket")
	doc, err := t.be.document(c.RequestCtx(), name, `SELECT cors FROM s3_buckets WHERE name = ?`, s3err.GetBucketErr(s3err.ErrNoSuchCORSConfiguration, name))
	if err != nil {
		return resp, err
	}
	c.Response().Header.SetContentType(fiber.MIMEApplicationXML)
	resp.Data = doc
	return resp, nil
}

func (t *table) putCORS(c fiber.Ctx) (*controllers.Response, error) {
	resp := &controllers.Response{}
	name := c.Params("bucket")
	if _, err := t.s.bucketID(c.RequestCtx(), name); err != nil {
		return resp, err
	}
	doc, err := readCORS(c.BodyRaw())
	if err != nil {
		return resp, err
	}
	return resp, t.be.PutBucketCors(c.RequestCtx(), name, doc.encode())
}
