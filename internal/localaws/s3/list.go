package s3

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/xml"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// skipAfter is how many keys under one common prefix a listing steps over before it
// seeks past the prefix instead: a step is cheaper than a seek.
const skipAfter = 16

// listed is an entry of a listing: an object, or a common prefix.
type listed struct {
	key      string // the common prefix, where prefix is set
	prefix   bool
	size     int64
	etag     string
	modified time.Time
	checksum checksum
	class    types.StorageClass
}

// page is what a listing found.
type page struct {
	entries   []listed
	truncated bool
	read      int // rows, what the listing cost
}

// last is the key or common prefix at which the next page begins.
func (p page) last() string {
	if len(p.entries) == 0 {
		return ""
	}
	return p.entries[len(p.entries)-1].key
}

// scan lists keys of a bucket in byte order: those that begin with prefix and come
// after the key after. Keys that share what is up to a delimiter are one entry. It
// reads about as many rows as it returns entries, however many keys there are.
func (s *Service) scan(ctx context.Context, bucketID int64, prefix, delimiter, after string, limit int) (page, error) {
	var p page
	if limit <= 0 {
		return p, nil
	}
	from := prefix
	if after >= prefix && after != "" {
		from = after + "\x00" // the least key after it
		// A common prefix that a page ended with is behind us with all its keys.
		if common, ok := commonPrefix(after, prefix, delimiter); ok && common == after {
			from = successor(common)
		}
	}
	st, err := s.db.Read().PrepareContext(ctx, `SELECT key, size, etag, modified, checksum, coalesce(class, 'STANDARD') FROM s3_objects
		WHERE bucket = ? AND key >= ? AND key < ? ORDER BY key`)
	if err != nil {
		return p, err
	}
	defer st.Close()
	for end := successor(prefix); from < end; {
		next, err := p.fill(ctx, st, []any{bucketID, blobArg(from), blobArg(end)}, prefix, delimiter, limit)
		if err != nil || next == "" {
			return p, err
		}
		from = next
	}
	return p, nil
}

// fill reads rows into the page until it is full, the rows end, or a common prefix
// has so many keys that seeking past it pays: then next is where to go on.
func (p *page) fill(ctx context.Context, st *sql.Stmt, args []any, prefix, delimiter string, limit int) (next string, err error) {
	rows, err := st.QueryContext(ctx, args...)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	under := 0 // keys seen under the last common prefix
	for rows.Next() {
		p.read++
		var e listed
		var key []byte
		var modified int64
		var sum string
		if err := rows.Scan(&key, &e.size, &e.etag, &modified, &sum, &e.class); err != nil {
			return "", err
		}
		e.key, e.modified, e.checksum = string(key), fromMillis(modified), parseChecksum(sum)
		if common, ok := commonPrefix(e.key, prefix, delimiter); ok {
			if n := len(p.entries); n > 0 && p.entries[n-1].prefix && p.entries[n-1].key == common {
				if under++; under < skipAfter {
					continue
				}
				return successor(common), nil
			}
			e = listed{key: common, prefix: true}
			under = 0
		}
		if len(p.entries) == limit {
			p.truncated = true
			return "", nil
		}
		p.entries = append(p.entries, e)
	}
	return "", rows.Err()
}

// blobArg is a key as an argument. An empty slice would be taken for NULL by some
// drivers; an empty blob is what sorts first.
func blobArg(key string) []byte { return append([]byte{}, key...) }

// commonPrefix returns what of the key is up to the first delimiter after prefix.
func commonPrefix(key, prefix, delimiter string) (string, bool) {
	if delimiter == "" || !strings.HasPrefix(key, prefix) {
		return "", false
	}
	i := strings.Index(key[len(prefix):], delimiter)
	if i < 0 {
		return "", false
	}
	return key[:len(prefix)+i+len(delimiter)], true
}

// afterAll sorts after every key: keys are valid UTF-8, which has no such byte.
const afterAll = "\xff"

// successor returns the least string that is greater than every key beginning with
// prefix.
func successor(prefix string) string {
	b := []byte(prefix)
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] < 0xff {
			b[i]++
			return string(b[:i+1])
		}
	}
	return afterAll
}

// encode is the encoding of names in a listing: percent-encoded where the client
// asked for it, because XML cannot carry every character a key may have.
func (r *request) encode(name string) *string {
	if r.encodeURL {
		name = formEncode(name)
	}
	return &name
}

func (r *request) encodingType() types.EncodingType {
	if r.encodeURL {
		return types.EncodingTypeUrl
	}
	return ""
}

// keyName is a key, or a part of one, in a document that encoding/xml writes.
type keyName string

// MarshalXML writes the key as S3 does.
func (k keyName) MarshalXML(e *xml.Encoder, start xml.StartElement) error {
	var b bytes.Buffer
	escape(&b, string(k))
	return e.EncodeElement(struct {
		Text string `xml:",innerxml"`
	}{b.String()}, start)
}

// escape writes text for XML. Of characters that XML 1.0 has no form for S3 writes
// references all the same: some parsers take them, the others fail, and none is told of
// a key that is not there. encoding/xml alone would write U+FFFD.
func escape(b *bytes.Buffer, text string) {
	for {
		at := strings.IndexFunc(text, isControl)
		if at < 0 {
			_ = xml.EscapeText(b, []byte(text)) // a buffer always takes it
			return
		}
		_ = xml.EscapeText(b, []byte(text[:at]))
		b.WriteString("&#x" + strconv.FormatUint(uint64(text[at]), 16) + ";")
		text = text[at+1:]
	}
}

func isControl(r rune) bool { return r < ' ' && r != '\t' && r != '\n' && r != '\r' }
