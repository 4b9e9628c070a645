package s3

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"

	"github.com/gofiber/fiber/v3"
	"github.com/versity/versitygw/s3err"
)

// Encryption with keys that the client provides (SSE-C). The bytes are encrypted as
// they arrive, with AES-256 in counter mode, so that any range can be read; the key is
// kept nowhere, only what tells it from another.
// Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/ServerSideEncryptionCustomerKeys.html

// customerKey is a key that came with a request.
type customerKey struct {
	key []byte // 32 bytes
	md5 string // base64
}

// customerSeal is what is kept of the key of an object or upload.
type customerSeal struct {
	Salt  []byte `json:"salt"`
	Check []byte `json:"check"`           // HMAC-SHA256 of the salt with the key
	Nonce []byte `json:"nonce,omitempty"` // of the bytes, where they came in one piece
}

func (k *customerKey) seal() *customerSeal {
	s := &customerSeal{Salt: make([]byte, 16)}
	rand.Read(s.Salt) // never fails, see its documentation
	s.Check = k.check(s.Salt)
	return s
}

func (k *customerKey) check(salt []byte) []byte {
	h := hmac.New(sha256.New, k.key)
	h.Write(salt)
	return h.Sum(nil)
}

// opens says whether it is the key that was sealed.
func (k *customerKey) opens(s *customerSeal) bool { return hmac.Equal(k.check(s.Salt), s.Check) }

// stream encrypts and decrypts bytes from an offset on.
func (k *customerKey) stream(nonce []byte, offset int64) (cipher.Stream, error) {
	block, err := aes.NewCipher(k.key)
	if err != nil {
		return nil, err
	}
	iv := append([]byte{}, nonce...)
	blocks := uint64(offset) / aes.BlockSize
	for i, carry := len(iv)-1, blocks; i >= 0 && carry > 0; i-- {
		sum := uint64(iv[i]) + carry&0xff
		iv[i] = byte(sum)
		carry = carry>>8 + sum>>8
	}
	s := cipher.NewCTR(block, iv)
	skip := make([]byte, offset%aes.BlockSize)
	s.XORKeyStream(skip, skip)
	return s, nil
}

// takeCustomerKeys reads the keys of a request and of a copy's source.
func takeCustomerKeys(c fiber.Ctx) (err error) {
	req := requestOf(c.RequestCtx())
	const name = "X-Amz-Server-Side-Encryption"
	if sse := req.header.Get(name); sse != "" && (req.method == http.MethodGet || req.method == http.MethodHead) {
		return invalidArgument("x-amz-server-side-encryption", sse, "x-amz-server-side-encryption header is not supported for this operation.")
	}
	if req.customer, err = readCustomerKey(req.header, name+"-Customer-"); err != nil {
		return err
	}
	if sse := req.header.Get(name); req.customer != nil && sse != "" {
		return invalidArgument("x-amz-server-side-encryption", sse, "Server Side Encryption with Customer provided key is incompatible with the encryption method specified")
	}
	req.sourceCustomer, err = readCustomerKey(req.header, "X-Amz-Copy-Source-Server-Side-Encryption-Customer-")
	return err
}

func readCustomerKey(h http.Header, prefix string) (*customerKey, error) {
	algorithm, text, sum := h.Get(prefix+"Algorithm"), h.Get(prefix+"Key"), h.Get(prefix+"Key-Md5")
	const argument = "x-amz-server-side-encryption"
	refused := func(text string) (*customerKey, error) {
		return nil, failure(http.StatusBadRequest, "InvalidArgument", text, "ArgumentName", argument)
	}
	switch {
	case algorithm == "" && text == "" && sum == "":
		return nil, nil
	case algorithm == "":
		return refused("Requests specifying Server Side Encryption with Customer provided keys must provide a valid encryption algorithm.")
	case text == "":
		return refused("Requests specifying Server Side Encryption with Customer provided keys must provide an appropriate secret key.")
	case algorithm != "AES256":
		return nil, failure(http.StatusBadRequest, "InvalidEncryptionAlgorithmError", "The Encryption request you specified is not valid. Supported value: AES256.", "ArgumentName", argument, "ArgumentValue", algorithm)
	}
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(key) != 32 {
		return refused("The secret key was invalid for the specified algorithm.")
	}
	if sum == "" {
		return refused("Requests specifying Server Side Encryption with Customer provided keys must provide the client calculated MD5 of the secret key.")
	}
	if digest := md5.Sum(key); base64.StdEncoding.EncodeToString(digest[:]) != sum {
		return refused("The calculated MD5 hash of the key did not match the hash that was provided.")
	}
	return &customerKey{key, sum}, nil
}

// seal is the seal of an encryption, nil where it is of another kind.
func (e *encryption) seal() *customerSeal {
	if e == nil {
		return nil
	}
	return e.Customer
}

func (m *meta) sealed() *customerSeal { return m.Encryption.seal() }

// checkKey refuses to read an object without its key. Copies of it are told less.
func (r *record) checkKey(key *customerKey, copying bool) error {
	seal := r.meta.sealed()
	switch {
	case seal == nil && key == nil:
		return nil
	case seal == nil:
		return invalidRequest("The encryption parameters are not applicable to this object.")
	case key == nil:
		return invalidRequest("The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.")
	case key.opens(seal):
		return nil
	case copying:
		return s3err.GetAPIError(s3err.ErrAccessDenied)
	}
	return failure(http.StatusForbidden, "AccessDenied", "Requests specifying Server Side Encryption with Customer provided keys must provide the correct secret key.")
}

// checkPartKey refuses a part that is not encrypted as its upload.
func (up *pending) checkPartKey(key *customerKey) error {
	seal := up.meta.sealed()
	switch {
	case (seal == nil) != (key == nil):
		return invalidRequest("The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate encryption parameters.")
	case seal != nil && !key.opens(seal):
		return invalidRequest("The provided encryption parameters did not match the ones used originally.")
	}
	return nil
}

// openRecord returns a range of an object's bytes as the client knows them.
func (s *Service) openRecord(r *record, key *customerKey, offset, length int64) (io.ReadCloser, error) {
	seal := r.meta.sealed()
	if seal == nil {
		return s.open(r.content(), offset, length)
	}
	segments := []part{{Size: r.size, Nonce: seal.Nonce}}
	if len(seal.Nonce) == 0 {
		segments = r.parts
	}
	body, err := s.open(r.content(), offset, length)
	if err != nil {
		return nil, err
	}
	out := decrypted{Closer: body}
	var readers []io.Reader
	start := int64(0)
	for _, p := range segments {
		from, to := max(offset, start), min(offset+length, start+p.Size)
		if from < to {
			stream, err := key.stream(p.Nonce, from-start)
			if err != nil {
				body.Close()
				return nil, err
			}
			readers = append(readers, &cipher.StreamReader{S: stream, R: io.LimitReader(body, to-from)})
		}
		start += p.Size
	}
	out.Reader = io.MultiReader(readers...)
	return out, nil
}

type decrypted struct {
	io.Reader
	io.Closer
}
