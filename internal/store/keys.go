package store

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"path"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// alphabet is Crockford's base 32 in lower case: https://www.crockford.com/base32.html
const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"

const (
	idLen       = 26   // characters of an id of our own: 130 bits, the top two always 0
	maxKeyBytes = 1024 // S3's limit: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
	maxPlainKey = 480  // longest key, in bytes, that goes into an id as it is; longer ones are hashed
	manifest    = "manifest.json"
	noName      = "image" // stands in for a file name of which nothing is left
)

// NewID returns a new id: 26 characters of lower-case Crockford base 32 holding
// 2^48-1 minus now in Unix milliseconds, then 80 random bits. It is a ULID
// (https://github.com/ulid/spec) with its clock running backwards, so that S3's
// listing, always in ascending order of keys, shows the newest first.
func NewID(now time.Time) string {
	var b [16]byte
	ms := uint64(1<<48-1) - uint64(max(now.UnixMilli(), 0))&(1<<48-1)
	binary.BigEndian.PutUint64(b[:8], ms<<16)
	rand.Read(b[6:]) // never fails: see crypto/rand
	hi, lo := binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
	var out [idLen]byte
	for i := idLen - 1; i >= 0; i-- {
		out[i] = alphabet[lo&31]
		lo = lo>>5 | hi<<59
		hi >>= 5
	}
	return string(out[:])
}

// IDForKey returns the id of the image at key in the uploads bucket. A key of our own
// form, "<id>/<name>", says it itself; any other key becomes "k-" and the key in
// unpadded base64url, or, over 480 bytes, "h-" and its SHA-256 in hexadecimal.
func IDForKey(key string) string {
	if id, _, ok := ownKey(key); ok {
		return id
	}
	if len(key) <= maxPlainKey {
		return "k-" + base64.RawURLEncoding.EncodeToString([]byte(key))
	}
	sum := sha256.Sum256([]byte(key))
	return "h-" + hex.EncodeToString(sum[:])
}

// ownKey takes a key of our own form apart.
func ownKey(key string) (id, name string, ok bool) {
	id, name, ok = strings.Cut(key, "/")
	return id, name, ok && name != "" && !strings.Contains(name, "/") && ownID(id)
}

// RuleKey is what the rules for recipes are held against: the key as another program wrote
// it, or of a key of our own form the name alone, without the id that nobody chose. Own
// says which.
func RuleKey(key string) (name string, own bool) {
	if _, name, ok := ownKey(key); ok {
		return name, true
	}
	return key, false
}

// ValidID reports whether id could have come from NewID or IDForKey. What passes
// contains no slash, dot or control character: it is safe as a segment of a key.
func ValidID(id string) bool {
	switch {
	case strings.HasPrefix(id, "k-"):
		_, ok := plainKey(id)
		return ok
	case strings.HasPrefix(id, "h-"):
		sum, err := hex.DecodeString(id[2:])
		return err == nil && len(sum) == sha256.Size && strings.ToLower(id) == id
	default:
		return ownID(id)
	}
}

// ownID reports whether id has the form that NewID gives.
func ownID(id string) bool {
	if len(id) != idLen || id[0] > '7' {
		return false
	}
	for i := range len(id) {
		if strings.IndexByte(alphabet, id[i]) < 0 {
			return false
		}
	}
	return true
}

// plainKey decodes the key in a "k-" id; it accepts only what IDForKey would have made,
// so that one image has one id.
func plainKey(id string) (string, bool) {
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(id, "k-"))
	if err != nil || len(b) == 0 || IDForKey(string(b)) != id {
		return "", false
	}
	return string(b), true
}

// UploadKey is the key of an upload of our own: the id, then the file's name as far as
// it is safe. Letters of every script, spaces and signs stay. Directories, control
// and text-direction characters go, as does S3's "${filename}", which a form would
// expand; the name is shortened before its extension so that the key fits in S3's
// 1,024 bytes, and it is never empty.
func UploadKey(id, filename string) string {
	name := strings.ToValidUTF8(filename, "\uFFFD")
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || unicode.Is(unicode.Noncharacter_Code_Point, r) ||
			r == '\u2028' || r == '\u2029' || r == utf8.RuneError {
			return -1
		}
		return r
	}, name)
	name = strings.ReplaceAll(name, "${", "_{")
	name = strings.TrimSpace(name)
	name = shorten(name, maxKeyBytes-len(id)-1)
	if strings.Trim(name, ".") == "" {
		name = noName
	}
	return id + "/" + name
}

// shorten cuts name to at most limit bytes between characters, keeping a short extension.
func shorten(name string, limit int) string {
	if len(name) <= limit {
		return name
	}
	ext := path.Ext(name)
	if len(ext) > 16 {
		ext = ""
	}
	cut := limit - len(ext)
	for cut > 0 && !utf8.RuneStart(name[cut]) {
		cut--
	}
	return strings.TrimRightFunc(name[:cut], unicode.IsSpace) + ext
}

// OutputKey is the key of one output in the results bucket. It is a function of what was
// read and what was done to it: the same work writes the same keys, other work others.
// ETag is without quotes, ext without a dot.
func OutputKey(id, etag, versionID, recipeHash, name, ext string) string {
	sum := sha256.Sum256([]byte(etag + "\n" + versionID + "\n" + recipeHash))
	return id + "/" + hex.EncodeToString(sum[:8]) + "/" + name + "." + ext
}

// ManifestKey is the key of an image's manifest in the results bucket.
func ManifestKey(id string) string { return id + "/" + manifest }
