package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
)

// Most requests are those of the SDKs: a POST to "/" whose headers need no tidying. For
// them the signature is calculated here, at a third of what signing a copy costs. What
// does not match is no refusal: whether a request is right is then for the SDK's signer
// to say, which knows every rule of the canonical form.

// signingKey is the key of a day, region and service, for requests that follow.
type signingKey struct {
	Scope
	secret string
	key    []byte
}

func (v *Verifier) keyFor(sc Scope, secret string) []byte {
	if k := v.last.Load(); k != nil && k.Scope == sc && k.secret == secret {
		return k.key
	}
	key := []byte("AWS4" + secret)
	for _, part := range [...]string{sc.Date, sc.Region, sc.Service, "aws4_request"} {
		key = mac(key, []byte(part))
	}
	v.last.Store(&signingKey{sc, secret, key})
	return key
}

func mac(key, data []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(data)
	return h.Sum(nil)
}

// quick tells whether the signature is certainly right: it is made with the secret, over
// the method, path and query, the signed headers as they came, and hash, the body's.
func (v *Verifier) quick(r *http.Request, sig signature, secret, hash string) bool {
	if sig.presigned || r.URL.Path != "/" || r.URL.RawPath != "" || r.URL.RawQuery != "" || !slices.IsSorted(sig.headers) {
		return false
	}
	b := make([]byte, 0, 1<<10)
	b = append(b, r.Method...)
	b = append(b, "\n/\n\n"...)
	for _, h := range sig.headers {
		b = append(b, h...)
		b = append(b, ':')
		switch h {
		case "host":
			b = append(b, r.Host...)
		case "content-length":
			b = strconv.AppendInt(b, r.ContentLength, 10)
		default:
			values := r.Header[http.CanonicalHeaderKey(h)]
			if len(values) != 1 {
				return false
			}
			b = append(b, values[0]...)
		}
		b = append(b, '\n')
	}
	b = append(b, '\n')
	for i, h := range sig.headers {
		if i > 0 {
			b = append(b, ';')
		}
		b = append(b, h...)
	}
	b = append(b, '\n')
	b = append(b, hash...)
	sum := sha256.Sum256(b)

	b = append(b[:0], algorithm+"\n"...)
	b = sig.time.AppendFormat(b, timeFormat)
	b = append(b, '\n')
	for _, part := range [...]string{sig.Date, sig.Region, sig.Service} {
		b = append(b, part...)
		b = append(b, '/')
	}
	b = append(b, "aws4_request\n"...)
	b = hex.AppendEncode(b, sum[:])
	var want [2 * sha256.Size]byte
	hex.Encode(want[:], mac(v.keyFor(sig.Scope, secret), b))
	return subtle.ConstantTimeCompare(want[:], []byte(sig.value)) == 1
}
