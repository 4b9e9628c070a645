package s3

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/gofiber/fiber/v3"
	"github.com/versity/versitygw/s3response"
)

// GetObjectAttributes reports what HeadObject does not: the parts.
// Format: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAttributes.html
func (s store) GetObjectAttributes(ctx context.Context, in *awss3.GetObjectAttributesInput) (out s3response.GetObjectAttributesResponse, err error) {
	r, err := s.record(ctx, *in.Bucket, *in.Key, deref(in.VersionId))
	if err != nil {
		return out, err
	}
	if err := r.checkKey(requestOf(ctx).customer, true); err != nil {
		return out, err
	}
	marker := 0
	if m := deref(in.PartNumberMarker); m != "" {
		if marker, err = strconv.Atoi(m); err != nil || marker < 0 {
			return out, invalidArgument("part-number-marker", m, "The part number marker is not a number.")
		}
	}
	limit := 1000
	if in.MaxParts != nil {
		limit = min(int(*in.MaxParts), limit)
	}
	req := requestOf(ctx)
	req.tell("x-amz-version-id", r.versionID())
	req.tell("Last-Modified", r.modified.Format(http.TimeFormat))
	asked := strings.Join(req.header.Values("X-Amz-Object-Attributes"), ",")
	wants := func(a types.ObjectAttributes) bool {
		for one := range strings.SplitSeq(asked, ",") {
			if strings.TrimSpace(one) == string(a) {
				return true
			}
		}
		return false
	}
	d := newDocument("GetObjectAttributesResponse")
	if wants(types.ObjectAttributesEtag) {
		d.put("ETag", r.etag)
	}
	if wants(types.ObjectAttributesChecksum) && r.checksum.Algorithm != "" {
		d.begin("Checksum")
		whole := r.checksum
		whole.Value, _, _ = strings.Cut(whole.Value, "-") // without the number of parts, as only here
		d.checksum(whole)
		d.put("ChecksumType", string(r.checksum.Type))
		d.end("Checksum")
	}
	if wants(types.ObjectAttributesObjectParts) && len(r.parts) > 0 {
		d.parts(r, marker, limit)
	}
	if wants(types.ObjectAttributesStorageClass) {
		d.put("StorageClass", string(r.storageClass()))
	}
	if wants(types.ObjectAttributesObjectSize) {
		d.number("ObjectSize", r.size)
	}
	d.end("GetObjectAttributesResponse")
	req.answer = d.Bytes()
	return out, nil
}

// joinAttributes puts the names that a client asks for, which may come in several
// headers and with spaces between them, into the one form that the controller reads.
func joinAttributes(c fiber.Ctx) error {
	const name = "X-Amz-Object-Attributes"
	names := strings.Split(strings.Join(requestOf(c.RequestCtx()).header.Values(name), ","), ",")
	for i := range names {
		names[i] = strings.TrimSpace(names[i])
	}
	c.Request().Header.Set(name, strings.Join(names, ","))
	return nil
}

// checksum writes the element that has the algorithm's name.
func (d *document) checksum(c checksum) {
	if c.Algorithm != "" && c.Value != "" {
		d.put("Checksum"+string(c.Algorithm), c.Value)
	}
}

// parts writes ObjectParts. They are listed where the object's checksum is made of
// theirs, and only counted where it is of the whole object.
func (d *document) parts(r *record, marker, limit int) {
	d.begin("ObjectParts")
	defer d.end("ObjectParts")
	d.number("PartsCount", int64(len(r.parts)))
	if r.checksum.Type != types.ChecksumTypeComposite {
		return
	}
	next, listed, truncated := 0, 0, false
	for _, p := range r.parts {
		if int(p.Number) <= marker {
			continue
		}
		if listed == limit {
			truncated = true
			break
		}
		listed++
		next = int(p.Number)
		d.begin("Part")
		d.checksum(p.Checksum)
		d.number("PartNumber", int64(p.Number))
		d.number("Size", p.Size)
		d.end("Part")
	}
	d.number("PartNumberMarker", int64(marker))
	d.number("NextPartNumberMarker", int64(next))
	d.number("MaxParts", int64(limit))
	d.truth("IsTruncated", truncated)
}
