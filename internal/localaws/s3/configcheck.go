package s3

import (
	"database/sql"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/versity/versitygw/s3err"
)

func checkEncryption(_ configRequest, doc *element) error {
	def := doc.child("Rule", "ApplyServerSideEncryptionByDefault")
	if def.child("KMSMasterKeyID") != nil && def.value("SSEAlgorithm") == "AES256" {
		return failure(http.StatusBadRequest, "InvalidArgument", "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse",
			"ArgumentName", "ApplyServerSideEncryptionByDefault")
	}
	rule := doc.child("Rule")
	if rule.child("BucketKeyEnabled") == nil {
		rule.kids = append(rule.kids, leaf("BucketKeyEnabled", "false"))
	}
	return nil
}

// publicAccessSettings are the settings of a PublicAccessBlock, in the order in which
// S3 shows them.
func publicAccessSettings() []string {
	return []string{"BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"}
}

// completePublicAccess adds the settings that were left out, which are off.
func completePublicAccess(_ configRequest, doc *element) error {
	if len(doc.kids) == 0 {
		return malformedXML()
	}
	var all []*element
	for _, name := range publicAccessSettings() {
		e := doc.child(name)
		if e == nil {
			e = leaf(name, "false")
		}
		all = append(all, e)
	}
	doc.kids = all
	return nil
}

// publicAccessOn is what S3 gives every new bucket.
func publicAccessOn() *element {
	doc := branch("PublicAccessBlockConfiguration")
	for _, name := range publicAccessSettings() {
		doc.kids = append(doc.kids, leaf(name, "true"))
	}
	return doc
}

func checkAccelerate(q configRequest, doc *element) error {
	if strings.Contains(q.bucket.name, ".") {
		return invalidRequest("S3 Transfer Acceleration is not supported for buckets with periods (.) in their names")
	}
	if s := doc.value("Status"); s != "Enabled" && s != "Suspended" {
		return malformedXML()
	}
	return nil
}

func checkLogging(q configRequest, doc *element) error {
	on := doc.child("LoggingEnabled")
	if on == nil {
		return nil
	}
	target := on.value("TargetBucket")
	b, err := bucketTx(q.tx, target)
	if errors.Is(err, s3err.GetAPIError(s3err.ErrNoSuchBucket)) {
		return failure(http.StatusBadRequest, "InvalidTargetBucketForLogging", "The target bucket for logging does not exist", "TargetBucket", target)
	}
	if err != nil {
		return err
	}
	if err := sameLocation(q, b.id); err != nil {
		return err
	}
	if grants := on.child("TargetGrants"); grants != nil && len(grants.kids) > 0 {
		var ownership sql.NullString
		if err := q.tx.QueryRow(`SELECT ownership FROM s3_buckets WHERE id = ?`, b.id).Scan(&ownership); err != nil {
			return err
		}
		if ownership.String == "BucketOwnerEnforced" {
			return failure(http.StatusBadRequest, "InvalidTargetBucketForLogging",
				"The target bucket for logging has the BucketOwnerEnforced setting for Object Ownership and does not support target grants", "TargetBucket", target)
		}
	}
	return nil
}

// sameLocation refuses logs that would go to another region.
func sameLocation(q configRequest, target int64) error {
	at := func(id int64) (string, error) {
		var doc []byte
		err := q.tx.QueryRow(`SELECT coalesce((SELECT doc FROM s3_configs WHERE bucket = ? AND kind = '`+kindLocation+`' AND id = ''), '')`, id).Scan(&doc)
		if err == nil && len(doc) == 0 {
			return q.s.opts.Region, nil
		}
		return regionName(string(doc)), err
	}
	from, err := at(q.bucket.id)
	if err != nil {
		return err
	}
	to, err := at(target)
	if err != nil || from == to {
		return err
	}
	var details []string
	if from != "us-east-1" {
		details = append(details, "SourceBucketLocation", from)
	}
	return failure(http.StatusForbidden, "CrossLocationLoggingProhibitted", "Cross S3 location logging not allowed. ", append(details, "TargetBucketLocation", to)...)
}

// checkID compares the document's id with the query's.
func checkID(q configRequest, doc *element) error {
	if q.id == "" || doc.value("Id") != q.id {
		return malformedXML()
	}
	return nil
}

func checkInventory(q configRequest, doc *element) error {
	if doc.value("Id") != q.id {
		return failure(http.StatusBadRequest, "IdMismatch", "Document ID does not match the specified configuration ID.")
	}
	name, ok := strings.CutPrefix(doc.value("Destination", "S3BucketDestination", "Bucket"), "arn:aws:s3:::")
	if !ok || name == "" {
		return failure(http.StatusBadRequest, "InvalidS3DestinationBucket", "Invalid bucket ARN.")
	}
	return nil
}

// checkReplication wants what S3 wants: versions on both sides. Nothing is replicated
// here; the configuration is kept and shown.
func checkReplication(q configRequest, doc *element) error {
	if !q.s.versioned(q, q.bucket.id) {
		return invalidRequest("Versioning must be 'Enabled' on the bucket to apply a replication configuration")
	}
	ids := map[string]bool{}
	for i, r := range doc.all("Rule") {
		target := strings.TrimPrefix(r.value("Destination", "Bucket"), "arn:aws:s3:::")
		b, err := bucketTx(q.tx, target)
		if err != nil && !errors.Is(err, s3err.GetAPIError(s3err.ErrNoSuchBucket)) {
			return err
		}
		if err != nil || !q.s.versioned(q, b.id) {
			return invalidRequest("Destination bucket must have versioning enabled.")
		}
		id := r.value("ID")
		if id == "" {
			id = newBlobID()
			r.kids = slices.Insert(r.kids, 0, leaf("ID", id))
		}
		if ids[id] {
			return badArgument("Rule", id, "Rule Id must be unique. Found same Id for more than one rule")
		}
		ids[id] = true
		if r.child("Filter") != nil && r.child("Priority") == nil {
			r.kids = append(r.kids, leaf("Priority", strconv.Itoa(i)))
		}
	}
	return nil
}

// versioned says whether a bucket keeps versions, inside a transaction.
func (s *Service) versioned(q configRequest, bucketID int64) bool {
	var on sql.NullString
	err := q.tx.QueryRow(`SELECT versioning FROM s3_buckets WHERE id = ?`, bucketID).Scan(&on)
	return err == nil && on.String == "Enabled"
}

var redirectCode = regexp.MustCompile(`^3(0[1-8])$`)

func checkWebsite(_ configRequest, doc *element) error {
	const protocol = "Invalid protocol, protocol can be http or https. If not defined the protocol will be selected automatically."
	fits := func(p *element) bool { return p == nil || p.text == "http" || p.text == "https" }
	if all := doc.child("RedirectAllRequestsTo"); all != nil {
		if len(doc.kids) > 1 {
			return badArgument("RedirectAllRequestsTo", "not null", "RedirectAllRequestsTo cannot be provided in conjunction with other Routing Rules.")
		}
		if !fits(all.child("Protocol")) {
			return invalidRequest(protocol)
		}
		return nil
	}
	index := doc.child("IndexDocument")
	if index == nil {
		return badArgument("IndexDocument", "null", "A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty")
	}
	if suffix := index.value("Suffix"); suffix == "" || strings.Contains(suffix, "/") {
		return badArgument("IndexDocument", suffix, "The IndexDocument Suffix is not well formed")
	}
	if e := doc.child("ErrorDocument"); e != nil && e.value("Key") == "" {
		return badArgument("ErrorDocument", "", "The ErrorDocument Key is not well formed")
	}
	for _, rule := range doc.child("RoutingRules").all("RoutingRule") {
		to := rule.child("Redirect")
		switch when := rule.child("Condition"); {
		case when != nil && len(when.kids) == 0:
			return invalidRequest("Condition cannot be empty. To redirect all requests without a condition, the condition element shouldn't be present.")
		case len(to.kids) == 0:
			return malformedXML()
		case !fits(to.child("Protocol")):
			return invalidRequest(protocol)
		case to.child("ReplaceKeyPrefixWith") != nil && to.child("ReplaceKeyWith") != nil:
			return invalidRequest("You can only define ReplaceKeyPrefix or ReplaceKey but not both.")
		case to.child("HttpRedirectCode") != nil && !redirectCode.MatchString(to.value("HttpRedirectCode")):
			return invalidRequest("The provided HTTP redirect code (" + to.value("HttpRedirectCode") + ") is not valid. Valid codes are 3XX except 300.")
		}
	}
	return nil
}
