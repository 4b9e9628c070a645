package s3

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"sync"

	"github.com/versity/versitygw/s3api/utils"

	"github.com/gofiber/fiber/v3"

	"github.com/tintype/tintype/internal/localaws/db"
	"github.com/tintype/tintype/internal/localaws/policy"
)

// settings are what decides about requests to a bucket: parsed, shared by all requests
// and never changed.
type settings struct {
	id        int64
	ownership string // empty: none is set, so that ACLs count
	acl       accessList
	policy    *policy.Document // nil: none
	// publicPolicy says that the policy grants something to everybody.
	publicPolicy bool
	block        publicAccess
	cors         []corsRule
	lifecycle    []lifecycleRule
	encryption   defaultEncryption
}

// publicAccess is a PublicAccessBlock.
type publicAccess struct {
	blockACLs, ignoreACLs, blockPolicy, restrict bool
}

// defaultEncryption is how new objects are encrypted, unless they say otherwise.
type defaultEncryption struct {
	algorithm, key string
	bucketKey      bool
}

// aclsCount says whether the bucket's and its objects' ACLs mean anything.
func (s *settings) aclsCount() bool { return s.ownership != "BucketOwnerEnforced" }

// settingsCache keeps the settings of every bucket that was asked for. A change
// forgets them once it is durable; generation keeps a reader that began before from
// putting back what it read.
type settingsCache struct {
	mu         sync.Mutex
	generation int64
	known      sync.Map // bucket's name → *settings
}

func (c *settingsCache) drop(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.generation++
	c.known.Delete(name)
}

func (c *settingsCache) begin() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.generation
}

func (c *settingsCache) put(name string, s *settings, generation int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.generation == generation {
		c.known.Store(strings.Clone(name), s) // a name is the request's memory, which is used again
	}
}

// forget drops a bucket's settings when the transaction that changes them is durable.
func (s *Service) forget(tx *db.Tx, name string) {
	tx.OnCommit(func() { s.drop(name) })
}

// settings reads what decides about requests to a bucket.
func (s *Service) settings(ctx context.Context, name string) (*settings, error) {
	if known, ok := s.known.Load(name); ok {
		return known.(*settings), nil
	}
	generation := s.begin()
	var (
		st                               settings
		ownership                        sql.NullString
		acl, doc, cors, pab, life, crypt []byte
	)
	const config = `(SELECT doc FROM s3_configs WHERE bucket = b.id AND id = '' AND kind = `
	err := s.db.Read().QueryRowContext(requestOf(ctx).ctx, `SELECT b.id, b.ownership, b.acl, b.policy, b.cors,
		`+config+`'`+kindPublicAccess+`'), `+config+`'`+kindLifecycle+`'), `+config+`'`+kindEncryption+`')
		FROM s3_buckets b WHERE b.name = ?`, name).Scan(&st.id, &ownership, &acl, &doc, &cors, &pab, &life, &crypt)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, noSuchBucket(name)
	}
	if err != nil {
		return nil, err
	}
	st.ownership = ownership.String
	if st.acl, err = decodeACL(acl); err != nil {
		return nil, err
	}
	if doc != nil {
		if st.policy, err = policy.Parse(string(doc)); err != nil {
			return nil, err
		}
		st.publicPolicy = isPublic(st.policy)
	}
	if cors != nil {
		if st.cors, err = parseCORS(cors); err != nil {
			return nil, err
		}
	}
	if st.block, err = decodePublicAccess(pab); err != nil {
		return nil, err
	}
	if life != nil {
		_, life = splitLifecycle(life)
		if st.lifecycle, err = parseLifecycle(life); err != nil {
			return nil, err
		}
	}
	if crypt != nil {
		e, err := parseElement(crypt)
		if err != nil {
			return nil, err
		}
		def := e.child("Rule", "ApplyServerSideEncryptionByDefault")
		st.encryption = defaultEncryption{def.value("SSEAlgorithm"), def.value("KMSMasterKeyID"), e.value("Rule", "BucketKeyEnabled") == "true"}
	}
	s.put(name, &st, generation)
	return &st, nil
}

func decodePublicAccess(doc []byte) (publicAccess, error) {
	if doc == nil {
		return publicAccess{}, nil
	}
	e, err := parseElement(doc)
	if err != nil {
		return publicAccess{}, err
	}
	on := func(name string) bool { return e.value(name) == "true" }
	return publicAccess{
		blockACLs: on("BlockPublicAcls"), ignoreACLs: on("IgnorePublicAcls"),
		blockPolicy: on("BlockPublicPolicy"), restrict: on("RestrictPublicBuckets"),
	}, nil
}

// signed says whether the request carries a signature, good or bad.
func signed(c fiber.Ctx) bool {
	return c.Get("Authorization") != "" || utils.IsPresignedURLAuth(c) || utils.ContextKeyAuthenticated.IsSet(c) || requestOf(c.RequestCtx()).verifiedV2
}
