package auth

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
)

// keySize is the least size of a session key, bytes.
const keySize = 32

// locked is a value with its lock.
type locked[T any] struct {
	mu sync.Mutex
	v  T
}

// sealer encrypts and authenticates what browsers carry for us: AES-256-GCM with a random
// nonce. A cookie that was changed, or is of another kind or key, does not open.
type sealer struct {
	aeads []cipher.AEAD // the first seals, all open
}

func newSealer(secrets ...[]byte) (*sealer, error) {
	s := &sealer{}
	for _, secret := range secrets {
		key, err := hkdf.Key(sha256.New, secret, nil, "tintype cookies, version 1", 32)
		if err != nil {
			return nil, err
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, err
		}
		s.aeads = append(s.aeads, aead)
	}
	return s, nil
}

func randomSealer() (*sealer, error) {
	secret := make([]byte, keySize)
	_, _ = rand.Read(secret) // never fails
	return newSealer(secret)
}

// NewKey makes a session key as its file has it.
func NewKey() string {
	secret := make([]byte, keySize)
	_, _ = rand.Read(secret) // never fails
	return base64.StdEncoding.EncodeToString(secret)
}

// parseKeys reads a file of session keys.
func parseKeys(text []byte) (*sealer, error) {
	var secrets [][]byte
	n := 0
	for line := range bytes.Lines(text) {
		n++
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		secret, err := base64.StdEncoding.DecodeString(string(line))
		if err != nil || len(secret) < keySize {
			// The line itself is a secret.
			return nil, fmt.Errorf("line %d: want at least %d random bytes in base64, as `tintype auth key` prints", n, keySize)
		}
		secrets = append(secrets, secret)
	}
	if len(secrets) == 0 {
		return nil, errors.New("there is no key in it: `tintype auth key` prints one")
	}
	return newSealer(secrets...)
}

// seal makes text of v that only open with the same kind undoes.
func (s *sealer) seal(kind string, v any) (string, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(s.aeads[0].Seal(nil, nil, plain, []byte(kind))), nil
}

// maxSealed bounds what is tried to be opened, bytes; browsers keep no larger cookies.
const maxSealed = 4096

func (s *sealer) open(kind, text string, v any) bool {
	if len(text) > maxSealed {
		return false
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return false
	}
	for _, aead := range s.aeads {
		if plain, err := aead.Open(nil, nil, sealed, []byte(kind)); err == nil {
			return json.Unmarshal(plain, v) == nil
		}
	}
	return false
}
