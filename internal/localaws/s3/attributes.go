package s3

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// encryption is the server-side encryption that an object says it has, where that is
// not AES256, which is what S3 does unasked. The bytes lie on the disk as they are,
// unless the client provides the key.
type encryption struct {
	Algorithm types.ServerSideEncryption `json:"algorithm"`
	Key       string                     `json:"key,omitempty"` // ARN
	BucketKey bool                       `json:"bucketKey,omitempty"`
	// Customer is there where the client provides the key; then the others are empty, and
	// the bytes are encrypted.
	Customer *customerSeal `json:"customer,omitempty"`
}

// attributes are the properties of a new object that the controllers do not pass on.
type attributes struct {
	class      types.StorageClass // empty: STANDARD
	encryption *encryption
	acl        *accessList
}

// attributes reads them from the request's header. How an object is encrypted that says
// nothing of it, is the bucket's to say.
func (s *Service) attributes(ctx context.Context, bucketName string) (attributes, error) {
	a := attributes{acl: requestOf(ctx).acl}
	h := requestOf(ctx).header
	switch class := types.StorageClass(h.Get("X-Amz-Storage-Class")); {
	case class == "", class == types.StorageClassStandard:
	case class == types.StorageClassOutposts, !slices.Contains(class.Values(), class):
		return a, failure(http.StatusBadRequest, "InvalidStorageClass", "The storage class you specified is not valid", "StorageClassRequested", string(class))
	default:
		a.class = class
	}
	if key := requestOf(ctx).customer; key != nil {
		a.encryption = &encryption{Customer: key.seal()}
		return a, nil
	}
	const name = "X-Amz-Server-Side-Encryption"
	sse := types.ServerSideEncryption(h.Get(name))
	key, bucketKey := h.Get(name+"-Aws-Kms-Key-Id"), strings.EqualFold(h.Get(name+"-Bucket-Key-Enabled"), "true")
	st, err := s.settings(ctx, bucketName)
	if err != nil {
		return a, err
	}
	if sse == "" && key == "" {
		sse, key = types.ServerSideEncryption(st.encryption.algorithm), st.encryption.key
	}
	if h.Get(name+"-Bucket-Key-Enabled") == "" {
		bucketKey = st.encryption.bucketKey
	}
	switch sse {
	case "", types.ServerSideEncryptionAes256:
		if key != "" {
			return a, invalidArgument("x-amz-server-side-encryption", string(sse), "Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms")
		}
	case types.ServerSideEncryptionAwsKms, types.ServerSideEncryptionAwsKmsDsse:
		a.encryption = &encryption{Algorithm: sse, Key: s.kmsKey(key), BucketKey: bucketKey}
	default:
		return a, invalidArgument("x-amz-server-side-encryption", string(sse), "The encryption method specified is not supported")
	}
	return a, nil
}

// managedKey is the id of the key aws/s3, which is meant where none is named.
const managedKey = "00000000-0000-4000-8000-000000000000"

// kmsKey is the ARN of a key. Whether there is such a key is not looked at: this
// endpoint has no KMS.
func (s *Service) kmsKey(id string) string {
	switch {
	case id == "":
		id = "key/" + managedKey
	case strings.HasPrefix(id, "arn:"):
		return id
	case !strings.HasPrefix(id, "alias/"):
		id = "key/" + id
	}
	return "arn:aws:kms:" + s.opts.Region + ":" + s.opts.Account + ":" + id
}

// tell adds the headers of the object's encryption to an answer.
func (r *record) tell(req *request) {
	const name = "x-amz-server-side-encryption"
	e := r.meta.Encryption
	if r.meta.sealed() != nil {
		if req.customer != nil {
			req.tell(name+"-customer-algorithm", "AES256")
			req.tell(name+"-customer-key-MD5", req.customer.md5)
		}
		return
	}
	if e == nil {
		req.tell(name, string(types.ServerSideEncryptionAes256))
		return
	}
	req.tell(name, string(e.Algorithm))
	req.tell(name+"-aws-kms-key-id", e.Key)
	if e.BucketKey {
		req.tell(name+"-bucket-key-enabled", "true")
	}
}

// createdVersion is the version that the answer to an upload names: none while
// versioning is suspended.
func (r *record) createdVersion() string { return r.version }
