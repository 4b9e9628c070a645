package s3

import (
	"context"
	"crypto/md5"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"strconv"
	"strings"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/gofiber/fiber/v3"
	gateway "github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/s3api/utils"
	"github.com/versity/versitygw/s3err"
	"github.com/versity/versitygw/s3response"

	"github.com/tintype/tintype/internal/localaws/db"
)

// CompleteMultipartUpload makes the parts one object. The bytes are copied into one
// blob first; the row, the event and the end of the upload are one transaction.
func (s store) CompleteMultipartUpload(ctx context.Context, in *awss3.CompleteMultipartUploadInput) (s3response.CompleteMultipartUploadResult, string, error) {
	var out s3response.CompleteMultipartUploadResult
	up, err := s.upload(ctx, *in.Bucket, *in.Key, *in.UploadId)
	if errors.Is(err, s3err.GetAPIError(s3err.ErrNoSuchUpload)) {
		// A client that did not get the answer asks again, and gets it.
		if r, e := s.record(ctx, *in.Bucket, *in.Key, ""); e == nil && r.meta.Upload == *in.UploadId {
			r.tell(requestOf(ctx))
			return r.completed(in), r.createdVersion(), nil
		}
		requestOf(ctx).told = nil
	}
	if err != nil {
		return out, "", err
	}
	if key := requestOf(ctx).customer; key != nil { // it may be left out here
		if err := up.checkPartKey(key); err != nil {
			return out, "", err
		}
	}
	stored, err := s.storedParts(ctx, up.id, 0, maxParts)
	if err != nil {
		return out, "", err
	}
	chosen, err := up.choose(in, stored)
	if err != nil {
		return out, "", err
	}
	w, err := up.assemble(in, chosen)
	if err != nil {
		return out, "", err
	}
	contents := make([]content, len(chosen))
	for i, p := range chosen {
		contents[i] = content{size: p.size, blob: p.blob}
		if p.inlineID != 0 {
			if err := s.db.Read().QueryRowContext(requestOf(ctx).ctx, `SELECT data FROM s3_inline WHERE id = ?`, p.inlineID).Scan(&contents[i].inline); err != nil {
				return out, "", gone(err, up.id)
			}
		}
	}
	if w.content, err = s.concat(contents); err != nil {
		return out, "", gone(err, up.id)
	}
	var freed []string
	w.with = func(tx *db.Tx) error {
		// The parts must still be those that were copied.
		if err := sameParts(tx, up, chosen); err != nil {
			return err
		}
		var err error
		freed, err = dropUpload(tx, up.id)
		return err
	}
	r, err := s.commit(ctx, w)
	if err != nil {
		return out, "", err
	}
	s.blobs.remove(freed...)
	return r.completed(in), r.createdVersion(), nil
}

// completed is the answer to the request that made the object.
func (r *record) completed(in *awss3.CompleteMultipartUploadInput) s3response.CompleteMultipartUploadResult {
	sum := r.checksum
	return s3response.CompleteMultipartUploadResult{
		Bucket: in.Bucket, Key: in.Key, ETag: fill(r.quoted()), ChecksumType: &sum.Type,
		ChecksumCRC32: sum.of(types.ChecksumAlgorithmCrc32), ChecksumCRC32C: sum.of(types.ChecksumAlgorithmCrc32c),
		ChecksumCRC64NVME: sum.of(types.ChecksumAlgorithmCrc64nvme), ChecksumSHA1: sum.of(types.ChecksumAlgorithmSha1),
		ChecksumSHA256: sum.of(types.ChecksumAlgorithmSha256), ChecksumSHA512: sum.of(types.ChecksumAlgorithmSha512),
		ChecksumMD5: sum.of(types.ChecksumAlgorithmMd5), ChecksumXXHASH64: sum.of(types.ChecksumAlgorithmXxhash64),
		ChecksumXXHASH3: sum.of(types.ChecksumAlgorithmXxhash3), ChecksumXXHASH128: sum.of(types.ChecksumAlgorithmXxhash128),
	}
}

// maxParts bounds an upload.
// Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
const maxParts = 10_000

// gone answers a part that another request took away: its upload is over.
func gone(err error, id string) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, sql.ErrNoRows) {
		return s3err.GetNoSuchUploadErr(id)
	}
	return err
}

// choose picks the stored parts that the client listed and checks the list.
func (up *pending) choose(in *awss3.CompleteMultipartUploadInput, stored []storedPart) ([]storedPart, error) {
	listed := in.MultipartUpload.Parts
	chosen := make([]storedPart, 0, len(listed))
	for i, l := range listed {
		switch {
		case l.PartNumber == nil || l.ETag == nil:
			return nil, malformedXML()
		case *l.PartNumber < 1:
			return nil, s3err.GetInvalidArgumentErr(s3err.InvalidArgCompleteMpPartNumber, fmt.Sprint(*l.PartNumber))
		case i > 0 && *l.PartNumber <= *listed[i-1].PartNumber:
			return nil, failure(http.StatusBadRequest, "InvalidPartOrder", "The list of parts was not in ascending order. Parts must be ordered by part number.", "UploadId", up.id)
		}
	}
	var total int64
	for i, l := range listed {
		n := *l.PartNumber
		at, ok := slices.BinarySearchFunc(stored, n, func(p storedPart, n int32) int { return int(p.number - n) })
		if !ok || !gateway.AreEtagsSame(stored[at].etag, *l.ETag) {
			return nil, s3err.GetInvalidPartErr(up.id, n, strings.Trim(*l.ETag, `"`))
		}
		p := stored[at]
		if i < len(listed)-1 && p.size < gateway.MinPartSize {
			return nil, failure(http.StatusBadRequest, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size",
				"ProposedSize", fmt.Sprint(p.size), "MinSizeAllowed", fmt.Sprint(gateway.MinPartSize), "PartNumber", fmt.Sprint(n), "ETag", p.etag)
		}
		if err := up.checkPartSum(&l, p); err != nil {
			return nil, err
		}
		chosen, total = append(chosen, p), total+p.size
	}
	if in.MpuObjectSize != nil && *in.MpuObjectSize != total {
		return nil, invalidRequest(fmt.Sprintf("The provided 'x-amz-mp-object-size' header value %d does not match what was computed: %d", *in.MpuObjectSize, total))
	}
	return chosen, nil
}

// checkPartSum compares the checksum that the client lists of a part with that it has.
// Where the object's checksum will be made of the parts', each must be listed.
func (up *pending) checkPartSum(l *types.CompletedPart, p storedPart) error {
	listed := false
	for a, v := range map[types.ChecksumAlgorithm]*string{
		types.ChecksumAlgorithmCrc32: l.ChecksumCRC32, types.ChecksumAlgorithmCrc32c: l.ChecksumCRC32C, types.ChecksumAlgorithmCrc64nvme: l.ChecksumCRC64NVME,
		types.ChecksumAlgorithmSha1: l.ChecksumSHA1, types.ChecksumAlgorithmSha256: l.ChecksumSHA256, types.ChecksumAlgorithmSha512: l.ChecksumSHA512,
		types.ChecksumAlgorithmMd5: l.ChecksumMD5, types.ChecksumAlgorithmXxhash64: l.ChecksumXXHASH64, types.ChecksumAlgorithmXxhash3: l.ChecksumXXHASH3,
		types.ChecksumAlgorithmXxhash128: l.ChecksumXXHASH128,
	} {
		if deref(v) == "" {
			continue
		}
		listed = true
		if up.algorithm == "" {
			return failure(http.StatusBadRequest, "BadDigest", fmt.Sprintf("The %s you specified for part %d did not match what we received.", strings.ToLower(string(a)), p.number))
		}
		if p.checksum.Algorithm != a || p.checksum.Value != *v {
			return s3err.GetInvalidPartErr(up.id, p.number, strings.Trim(*l.ETag, `"`))
		}
	}
	if !listed && up.kind == types.ChecksumTypeComposite {
		a := strings.ToLower(string(up.algorithm))
		return invalidRequest(fmt.Sprintf("The upload was created using a %s checksum. The complete request must include the checksum for each part. It was missing for part %d in the request.", a, p.number))
	}
	return nil
}

// takeParts answers for lists that the controller would refuse with fewer words.
func (t *table) takeParts(c fiber.Ctx) error {
	var doc struct {
		Part []struct{} `xml:"Part"`
	}
	if err := decodeXML(c.BodyRaw(), "CompleteMultipartUpload", &doc); err == nil && len(doc.Part) > 0 {
		return nil
	}
	if _, err := t.s.upload(c.RequestCtx(), c.Params("bucket"), keyOf(c), c.Query("uploadId")); err != nil { // it comes first
		return err
	}
	if len(doc.Part) == 0 && len(c.BodyRaw()) == 0 {
		return invalidRequest("You must specify at least one part")
	}
	return malformedXML()
}

// assemble describes the object that the parts make, all but its bytes.
func (up *pending) assemble(in *awss3.CompleteMultipartUploadInput, chosen []storedPart) (write, error) {
	w := write{
		bucket: up.bucket, key: up.key, event: "ObjectCreated:CompleteMultipartUpload", meta: up.meta, tags: up.tags, class: up.class, lock: up.lock, begun: up.begun, replaces: up.replaces,
		ifMatch: in.IfMatch, ifNoneMatch: in.IfNoneMatch,
	}
	if in.ChecksumType != "" && in.ChecksumType != up.kind {
		kind := up.kind
		if kind == "" {
			kind = "null" // as S3 says it
		}
		return w, s3err.GetChecksumTypeMismatchOnMpErr(kind)
	}
	etags := make([]string, len(chosen))
	for i, p := range chosen {
		etags[i] = p.etag
		kept := part{Number: int32(i + 1), Size: p.size, Nonce: p.nonce}
		if up.algorithm != "" {
			kept.Checksum = p.checksum
		}
		w.parts = append(w.parts, kept)
	}
	w.etag, w.meta.Upload = md5OfMD5s(etags), up.id
	var err error
	if w.checksum, err = up.combine(chosen); err != nil {
		return w, err
	}
	want := map[types.ChecksumAlgorithm]*string{
		types.ChecksumAlgorithmCrc32: in.ChecksumCRC32, types.ChecksumAlgorithmCrc32c: in.ChecksumCRC32C, types.ChecksumAlgorithmCrc64nvme: in.ChecksumCRC64NVME,
		types.ChecksumAlgorithmSha1: in.ChecksumSHA1, types.ChecksumAlgorithmSha256: in.ChecksumSHA256, types.ChecksumAlgorithmSha512: in.ChecksumSHA512,
		types.ChecksumAlgorithmMd5: in.ChecksumMD5, types.ChecksumAlgorithmXxhash64: in.ChecksumXXHASH64, types.ChecksumAlgorithmXxhash3: in.ChecksumXXHASH3,
		types.ChecksumAlgorithmXxhash128: in.ChecksumXXHASH128,
	}[w.checksum.Algorithm]
	if v := deref(want); v != "" && v != w.checksum.Value && v != strings.TrimSuffix(w.checksum.Value, "-"+strconv.Itoa(len(chosen))) {
		return w, s3err.GetChecksumBadDigestErr(w.checksum.Algorithm)
	}
	return w, nil
}

// combine calculates the object's checksum from its parts'.
// Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
func (up *pending) combine(chosen []storedPart) (checksum, error) {
	out := checksum{Algorithm: up.algorithm, Type: up.kind}
	if out.Algorithm == "" && up.meta.sealed() != nil {
		return checksum{}, nil // S3 calculates none unasked where the client provides the key
	}
	if out.Algorithm == "" {
		out.Algorithm, out.Type = types.ChecksumAlgorithmCrc64nvme, types.ChecksumTypeFullObject
	}
	if out.Type == types.ChecksumTypeComposite {
		sum, err := utils.NewCompositeChecksumReader(hashType(out.Algorithm))
		if err != nil {
			return out, err
		}
		for _, p := range chosen {
			if err := sum.Process(p.checksum.Value); err != nil {
				return out, err
			}
		}
		out.Value = sum.Sum() + "-" + strconv.Itoa(len(chosen))
		return out, nil
	}
	for i, p := range chosen {
		value := p.checksum.Value
		if p.checksum.Algorithm != out.Algorithm {
			value = p.crc64
		}
		if i == 0 {
			out.Value = value
			continue
		}
		var err error
		if out.Value, err = utils.AddCRCChecksum(out.Algorithm, out.Value, value, p.size); err != nil {
			return out, fmt.Errorf("combine the checksums of the parts: %w", err)
		}
	}
	return out, nil
}

// sameParts fails with NoSuchUpload or InvalidPart where the parts are no longer
// those that were read.
func sameParts(tx *db.Tx, up *pending, chosen []storedPart) error {
	if _, err := scanUpload(tx.QueryRow(uploadQuery, up.bucket, []byte(up.key), up.id), up.bucket, up.key, up.id); err != nil {
		return err
	}
	for _, p := range chosen {
		var blob string
		var inline int64
		err := tx.QueryRow(`SELECT coalesce(blob, ''), coalesce(inline, 0) FROM s3_parts WHERE upload = ? AND number = ?`, up.id, p.number).Scan(&blob, &inline)
		if errors.Is(err, sql.ErrNoRows) || err == nil && (blob != p.blob || inline != p.inlineID) {
			return s3err.GetInvalidPartErr(up.id, p.number, p.etag)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// md5OfMD5s is the ETag of a multipart object: the MD5 of its parts' MD5s, and how
// many they are.
func md5OfMD5s(etags []string) string {
	h := md5.New()
	for _, e := range etags {
		raw, _ := hex.DecodeString(e) // parts' ETags are ours: hexadecimal
		h.Write(raw)
	}
	return hex.EncodeToString(h.Sum(nil)) + "-" + strconv.Itoa(len(etags))
}
