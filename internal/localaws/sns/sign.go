package sns

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // signature version 1 of SNS is SHA1, and the default
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tintype/tintype/internal/localaws/db"
)

// signer signs what subscribers get, so that they can tell it comes from here. It makes
// its key with the first subscription: a tenth of a second that a store without one
// need not spend.
type signer struct {
	db  *db.DB
	now func() time.Time

	mu   sync.Mutex // held while the key is made
	id   atomic.Pointer[identity]
	made atomic.Int64 // signatures so far
}

// identity is the key and what subscribers know of it.
type identity struct {
	key  *rsa.PrivateKey
	pem  []byte // the certificate, as served
	path string // where it is served: "/SimpleNotificationService-<hash>.pem"
}

// newSigner reads the store's key, if it has one.
func newSigner(d *db.DB, now func() time.Time) (*signer, error) {
	s := &signer{db: d, now: now}
	if err := s.load(); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, err
	}
	return s, nil
}

// ready makes the key unless there is one. It is kept, because subscribers cache the
// certificate by its URL. Nothing may be signed before; it must not be called by the
// store's writer.
func (s *signer) ready(ctx context.Context) error {
	if s.id.Load() != nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.id.Load() != nil {
		return nil
	}
	key, cert, err := newKey(s.now())
	if err != nil {
		return fmt.Errorf("make the signing key: %w", err)
	}
	err = s.db.Update(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(`INSERT INTO sns_key (id, key, certificate) VALUES (1, ?, ?) ON CONFLICT DO NOTHING`, key, cert)
		return err
	})
	if err != nil {
		return fmt.Errorf("keep the signing key: %w", err)
	}
	return s.load()
}

func (s *signer) load() error {
	key, cert, err := readKey(s.db)
	if err != nil {
		return err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	rsaKey, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return fmt.Errorf("the stored key is a %T, an RSA key is expected", parsed)
	}
	hash := sha256.Sum256(cert)
	s.id.Store(&identity{
		key:  rsaKey,
		pem:  pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}),
		path: "/SimpleNotificationService-" + hex.EncodeToString(hash[:16]) + ".pem",
	})
	return nil
}

// path is where the certificate is served; empty before there is one.
func (s *signer) path() string {
	if id := s.id.Load(); id != nil {
		return id.path
	}
	return ""
}

func readKey(d *db.DB) (key, cert []byte, err error) {
	err = d.Read().QueryRowContext(context.Background(), `SELECT key, certificate FROM sns_key`).Scan(&key, &cert)
	return key, cert, err
}

// newKey makes a key and a certificate that it signs itself.
func newKey(now time.Time) (key, cert []byte, err error) {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "sns.localhost"},
		NotBefore:    now.Add(-time.Hour), NotAfter: now.AddDate(20, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true,
	}
	if cert, err = x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k); err != nil {
		return nil, nil, err
	}
	key, err = x509.MarshalPKCS8PrivateKey(k)
	return key, cert, err
}

// sign signs text, by the signature version: PKCS #1 v1.5 over SHA1 ("1") or SHA256 ("2").
func (s *signer) sign(version, text string) (string, error) {
	id := s.id.Load()
	if id == nil {
		return "", errors.New("sign: there is no signing key yet")
	}
	s.made.Add(1)
	var sig []byte
	var err error
	if version == "2" {
		sum := sha256.Sum256([]byte(text))
		sig, err = rsa.SignPKCS1v15(nil, id.key, crypto.SHA256, sum[:])
	} else {
		sum := sha1.Sum([]byte(text))
		sig, err = rsa.SignPKCS1v15(nil, id.key, crypto.SHA1, sum[:])
	}
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	return base64.StdEncoding.EncodeToString(sig), nil
}

// stringToSign is what SNS signs: names and values in turn, each on a line of its own
// (Amazon SNS Developer Guide, "Verifying the signatures of Amazon SNS messages").
func stringToSign(pairs ...string) string { return strings.Join(pairs, "\n") + "\n" }
