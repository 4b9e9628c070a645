package s3

import (
	"database/sql"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/gofiber/fiber/v3"
	"github.com/versity/versitygw/s3api/controllers"
	"github.com/versity/versitygw/s3api/utils"
	"github.com/versity/versitygw/s3err"

	"github.com/tintype/tintype/internal/localaws/db"
)

// kindLocation is the region that a bucket was asked to be in, where that is another
// than the endpoint's: kept and shown. All buckets are here.
const kindLocation = "location"

// locations are what CreateBucket takes as LocationConstraint.
// Source: https://docs.aws.amazon.com/general/latest/gr/s3.html
func locations() []string {
	return []string{
		"EU", "af-south-1", "ap-east-1", "ap-east-2", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-south-2", "ap-southeast-1",
		"ap-southeast-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5", "ap-southeast-7", "ca-central-1", "ca-west-1", "cn-north-1", "cn-northwest-1",
		"eu-central-1", "eu-central-2", "eu-north-1", "eu-south-1", "eu-south-2", "eu-west-1", "eu-west-2", "eu-west-3", "il-central-1", "me-central-1",
		"me-south-1", "mx-central-1", "sa-east-1", "us-east-2", "us-gov-east-1", "us-gov-west-1", "us-west-1", "us-west-2",
	}
}

func createShape() *shape {
	return tree(
		may("LocationConstraint", free()),
		may("Location", tree(may("Name", free()), may("Type", free()))),
		may("Bucket", tree(may("DataRedundancy", free()), may("Type", free()))),
		may("Tags", tree(any0("Tag", tagShape()))),
	)
}

// checkLocation says whether a bucket may be made in the region; given says that one
// was named at all.
func (s *Service) checkLocation(region string, given bool) error {
	switch {
	case s.opts.Region != "us-east-1" && !given:
		return failure(http.StatusBadRequest, "IllegalLocationConstraintException", "The unspecified location constraint is incompatible for the region specific endpoint this request was sent to.")
	case s.opts.Region == "us-east-1" && given && !slices.Contains(locations(), region):
		return failure(http.StatusBadRequest, "InvalidLocationConstraint", "The specified location-constraint is not valid", "LocationConstraint", region)
	case s.opts.Region != "us-east-1" && region != s.opts.Region && (region != "EU" || s.opts.Region != "eu-west-1"):
		return failure(http.StatusBadRequest, "IllegalLocationConstraintException", "The "+region+" location constraint is incompatible for the region specific endpoint this request was sent to.")
	}
	return nil
}

// newBucket is what CreateBucket was asked for.
type newBucket struct {
	name, ownership, location string
	acl                       accessList
	tags                      map[string]string
	lock                      bool
}

func (t *table) readNewBucket(c fiber.Ctx) (newBucket, error) {
	n := newBucket{name: strings.Clone(c.Params("bucket")), lock: strings.EqualFold(c.Get("X-Amz-Bucket-Object-Lock-Enabled"), "true")}
	if v, ok := requestOf(c.RequestCtx()).header["X-Amz-Object-Ownership"]; ok {
		n.ownership = v[0]
		if !utils.IsValidOwnership(types.ObjectOwnership(n.ownership)) {
			return n, failure(http.StatusBadRequest, "InvalidArgument", "Invalid x-amz-object-ownership header: "+n.ownership, "ArgumentName", "x-amz-object-ownership")
		}
	}
	if !newName(n.name) {
		return n, s3err.GetBucketErr(s3err.ErrInvalidBucketName, n.name)
	}
	acl, asked, err := aclOfHeaders(func(h string) string { return c.Get(h) }, t.s.owner)
	if err != nil {
		return n, err
	}
	if n.ownership == "" {
		n.ownership = string(types.ObjectOwnershipBucketOwnerEnforced)
	}
	if !asked {
		acl, _ = cannedACL("private", t.s.owner)
	}
	n.acl = acl
	if !acl.ownersOnly(t.s.owner) {
		if n.ownership == string(types.ObjectOwnershipBucketOwnerEnforced) {
			return n, s3err.GetAPIError(s3err.ErrInvalidBucketAclWithObjectOwnership)
		}
		if acl.public() {
			return n, failure(http.StatusBadRequest, "InvalidBucketAclWithBlockPublicAccessError", "Bucket cannot have public ACLs set with BlockPublicAccess enabled")
		}
	}
	var given bool
	if body := c.BodyRaw(); len(body) > 0 {
		doc, err := readDocument(body, "CreateBucketConfiguration", createShape())
		if err != nil {
			return n, err
		}
		if e := doc.child("LocationConstraint"); e != nil {
			n.location, given = strings.TrimSpace(e.text), true
		}
		if n.tags, err = readTags(doc.child("Tags").all("Tag"), func(string) error {
			return invalidTag(`User-defined tag keys can't start with "aws:". This prefix is reserved for system tags. Remove "aws:" from your tag keys and try again.`)
		}); err != nil {
			return n, err
		}
	}
	return n, t.s.checkLocation(n.location, given)
}

func (t *table) createBucket(c fiber.Ctx) (*controllers.Response, error) {
	n, err := t.readNewBucket(c)
	if err != nil {
		return &controllers.Response{}, err
	}
	s := t.s
	err = s.update(c.RequestCtx(), func(tx *db.Tx) error {
		switch _, err := bucketTx(tx, n.name); {
		case err == nil && s.opts.Region == "us-east-1" && len(n.tags) == 0:
			return nil // there and only there S3 lets the owner create a bucket again
		case err == nil:
			return s3err.GetBucketErr(s3err.ErrBucketAlreadyOwnedByYou, n.name)
		case !isNoSuchBucket(err):
			return err
		}
		res, err := tx.Exec(`INSERT INTO s3_buckets (name, created, ownership, acl, tags) VALUES (?, ?, ?, ?, ?)`,
			n.name, s.opts.Now().UnixMilli(), n.ownership, n.acl.encode(), jsonOrNil(n.tags))
		if err != nil {
			return err
		}
		id, err := res.LastInsertId()
		if err != nil {
			return err
		}
		if _, err := tx.Exec(`INSERT INTO s3_configs (bucket, kind, id, doc) VALUES (?, ?, '', ?)`, id, kindPublicAccess, publicAccessOn().encode()); err != nil {
			return err
		}
		if n.location != "" && n.location != s.opts.Region {
			if _, err := tx.Exec(`INSERT INTO s3_configs (bucket, kind, id, doc) VALUES (?, ?, '', ?)`, id, kindLocation, []byte(n.location)); err != nil {
				return err
			}
		}
		if n.lock {
			return enableLockTx(tx, n.name)
		}
		return nil
	})
	if err != nil {
		return &controllers.Response{}, err
	}
	location, arn := "/"+n.name, bucketARN(n.name)
	if n.location != "" {
		location = "http://" + n.name + ".s3.amazonaws.com/"
	}
	return &controllers.Response{Headers: map[string]*string{"Location": &location, "x-amz-bucket-arn": &arn}}, nil
}

func isNoSuchBucket(err error) bool {
	return err != nil && errors.Is(err, s3err.GetAPIError(s3err.ErrNoSuchBucket))
}

// location is the region that a bucket says it is in; "" stands for us-east-1.
func (s *Service) location(c fiber.Ctx, name string) (string, error) {
	var doc []byte
	err := s.db.Read().QueryRowContext(requestOf(c.RequestCtx()).ctx,
		`SELECT coalesce((SELECT doc FROM s3_configs WHERE bucket = b.id AND kind = '`+kindLocation+`' AND id = ''), '') FROM s3_buckets b WHERE name = ?`, name).Scan(&doc)
	if errors.Is(err, sql.ErrNoRows) {
		return "", noSuchBucket(name)
	}
	if err == nil && len(doc) == 0 && s.opts.Region != "us-east-1" {
		return s.opts.Region, nil
	}
	return string(doc), err
}

// regionName is the region that a location constraint stands for.
func regionName(location string) string {
	switch location {
	case "":
		return "us-east-1"
	case "EU":
		return "eu-west-1"
	}
	return location
}

func (t *table) getLocation(c fiber.Ctx) (*controllers.Response, error) {
	at, err := t.s.location(c, c.Params("bucket"))
	if err != nil {
		return &controllers.Response{}, err
	}
	c.Response().Header.SetContentType(fiber.MIMEApplicationXML)
	return &controllers.Response{Data: leaf("LocationConstraint", at).encode()}, nil
}

func (t *table) headBucket(c fiber.Ctx) (*controllers.Response, error) {
	name := c.Params("bucket")
	at, err := t.s.location(c, name)
	if err != nil {
		return &controllers.Response{}, err
	}
	c.Response().Header.SetContentType(fiber.MIMEApplicationXML)
	region, alias, arn := regionName(at), "false", bucketARN(name)
	return &controllers.Response{Headers: map[string]*string{"x-amz-bucket-region": &region, "x-amz-access-point-alias": &alias, "x-amz-bucket-arn": &arn}}, nil
}

// maxBuckets is how many buckets one page of a listing has.
// Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBuckets.html
const maxBuckets = 10000

func (t *table) listBuckets(c fiber.Ctx) (*controllers.Response, error) {
	resp := &controllers.Response{}
	limit := maxBuckets
	args := c.Request().URI().QueryArgs()
	if args.Has("max-buckets") {
		n, err := strconv.Atoi(c.Query("max-buckets"))
		if err != nil || n < 1 || n > maxBuckets {
			return resp, badArgument("max-buckets", c.Query("max-buckets"), "Argument max-buckets must be an integer between 1 and 10000")
		}
		limit = n
	}
	prefix, region := strings.Clone(c.Query("prefix")), strings.Clone(c.Query("bucket-region"))
	after, ok := decodeToken(c.Query("continuation-token"))
	if !ok || args.Has("continuation-token") && after == "" {
		return resp, badArgument("continuation-token", c.Query("continuation-token"), "The continuation token provided is incorrect")
	}
	rows, err := t.s.db.Read().QueryContext(requestOf(c.RequestCtx()).ctx,
		`SELECT name, created, coalesce((SELECT doc FROM s3_configs WHERE bucket = b.id AND kind = '`+kindLocation+`' AND id = ''), '')
		FROM s3_buckets b WHERE name > ? AND substr(name, 1, length(?2)) = ?2 ORDER BY name`, after, prefix)
	if err != nil {
		return resp, err
	}
	defer rows.Close()
	buckets := branch("Buckets")
	last, more := "", false
	for rows.Next() {
		var name string
		var created int64
		var at []byte
		if err := rows.Scan(&name, &created, &at); err != nil {
			return resp, err
		}
		where := regionName(string(at))
		if len(at) == 0 {
			where = t.region
		}
		if region != "" && region != where {
			continue
		}
		if len(buckets.kids) == limit {
			more = true
			break
		}
		last = name
		buckets.kids = append(buckets.kids, branch("Bucket", leaf("BucketArn", bucketARN(name)), leaf("BucketRegion", where),
			leaf("CreationDate", fromMillis(created).Format(eventTime)), leaf("Name", name)))
	}
	if err := rows.Err(); err != nil {
		return resp, err
	}
	out := branch("ListAllMyBucketsResult", branch("Owner", leaf("ID", t.s.owner)), buckets)
	if more {
		out.kids = append(out.kids, leaf("ContinuationToken", encodeToken(last)))
	}
	if args.Has("prefix") {
		out.kids = append(out.kids, leaf("Prefix", prefix))
	}
	c.Response().Header.SetContentType(fiber.MIMEApplicationXML)
	resp.Data = out.encode()
	return resp, nil
}

// encodeToken makes a continuation token of the name that a page ended with.
func encodeToken(name string) string { return base64.URLEncoding.EncodeToString([]byte(name)) }

func decodeToken(token string) (name string, ok bool) {
	b, err := base64.URLEncoding.DecodeString(token)
	return string(b), err == nil
}

// newName says whether a bucket may be given the name. Those that exist are only held
// against versitygw's looser rules.
// Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
func newName(name string) bool {
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") {
			return false
		}
	}
	for _, p := range []string{"xn--", "sthree-", "amzn-s3-demo-"} {
		if strings.HasPrefix(name, p) {
			return false
		}
	}
	for _, s := range []string{"-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"} {
		if strings.HasSuffix(name, s) {
			return false
		}
	}
	return true
}
