package s3

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/gofiber/fiber/v3"
	"github.com/valyala/fasthttp"
	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/s3api/utils"
	"github.com/versity/versitygw/s3err"
)

// accounts are who signs requests: the account's own user, and others. versitygw's own
// service answers for unknown ones with an error of its administration, which S3 does not
// know.
type accounts struct {
	auth.IAMService
	users Users
}

func (u accounts) GetUserAccount(access string) (auth.Account, error) {
	if u.users != nil {
		if secret, ok := u.users.Secret(access); ok {
			// What it may do is decided by its policies, before any controller runs.
			return auth.Account{Access: access, Secret: secret, Role: auth.RoleAdmin}, nil
		}
	}
	a, err := u.IAMService.GetUserAccount(access)
	if errors.Is(err, s3err.GetAPIError(s3err.ErrAdminUserNotFound)) {
		err = auth.ErrNoSuchUser
	}
	return a, err
}

// unsignHash drops the hash of the body from a request by a presigned URL that did not
// sign it: such a URL never says what the body is, and S3 takes no notice of the
// header, where it refuses every other x-amz- header that was not signed.
func unsignHash(c fiber.Ctx) {
	if !utils.IsPresignedURLAuth(c) {
		return
	}
	for name := range strings.SplitSeq(c.Query("X-Amz-SignedHeaders"), ";") {
		if strings.EqualFold(name, "x-amz-content-sha256") {
			return
		}
	}
	c.Request().Header.Del("X-Amz-Content-Sha256")
}

// hoist makes headers of those parameters of a presigned URL that stand for one: SDKs
// put there what they would have sent as a header, and the signature covers it.
func hoist(c fiber.Ctx) error {
	if !utils.IsPresignedURLAuth(c) {
		return nil
	}
	header := requestOf(c.RequestCtx()).header
	metadata := false
	for k, v := range c.Request().URI().QueryArgs().All() {
		name := strings.ToLower(string(k))
		switch name {
		case "x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-expires", "x-amz-signedheaders", "x-amz-signature", "x-amz-security-token",
			"x-amz-content-sha256", "x-amz-sdk-checksum-algorithm":
			continue
		case "if-match", "if-none-match":
		default:
			// S3 takes no notice of a checksum here. JavaScript's SDK puts that of an
			// empty body into every URL for an upload, as it does not know the real one.
			if !strings.HasPrefix(name, "x-amz-") || strings.HasPrefix(name, "x-amz-checksum-") {
				continue
			}
		}
		if c.Get(name) == "" {
			metadata = metadata || strings.HasPrefix(name, "x-amz-meta-")
			c.Request().Header.Set(name, string(v))
			header.Set(name, string(v))
		}
		switch req := requestOf(c.RequestCtx()); name {
		case "if-match":
			req.ifMatch = utils.TrimQuotes(string(v))
		case "if-none-match":
			req.ifNoneMatch = utils.TrimQuotes(string(v))
		}
	}
	if metadata {
		return reread(&c.Request().Header)
	}
	return nil
}

// reread writes the header out and parses it again: versitygw reads metadata from what
// was parsed, not from what was set.
func reread(h *fasthttp.RequestHeader) error {
	length, uri := h.ContentLength(), string(h.RequestURI())
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s / HTTP/1.1\r\n", h.Method())
	for k, v := range h.All() {
		if name := string(k); !strings.EqualFold(name, "Content-Length") && !strings.EqualFold(name, "Transfer-Encoding") {
			fmt.Fprintf(&b, "%s: %s\r\n", name, strings.NewReplacer("\r", " ", "\n", " ").Replace(string(v)))
		}
	}
	b.WriteString("\r\n")
	if err := h.Read(bufio.NewReaderSize(&b, b.Len())); err != nil {
		return s3err.GetAPIError(s3err.ErrInvalidURI)
	}
	h.SetRequestURI(uri)
	h.SetContentLength(length)
	return nil
}
