package s3

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v3"
	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/s3api/controllers"

	"github.com/tintype/tintype/internal/localaws/policy"
)

// maxBucketPolicy is the largest bucket policy, bytes.
// Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-policies.html
const maxBucketPolicy = 20 << 10

func noSuchPolicy(bucketName string) error {
	return failure(http.StatusNotFound, "NoSuchBucketPolicy", "The bucket policy does not exist", "BucketName", bucketName)
}

func malformedPolicy(why string) error {
	return failure(http.StatusBadRequest, "MalformedPolicy", why)
}

// readPolicy validates a bucket policy with S3's complaints, as far as they are known.
func (s *Service) readPolicy(body []byte, bucketName string) (*policy.Document, error) {
	if !bytes.HasPrefix(body, []byte("{")) {
		return nil, malformedPolicy("Policies must be valid JSON and the first byte must be '{'")
	}
	if len(body) > maxBucketPolicy {
		return nil, failure(http.StatusBadRequest, "PolicyTooLarge", "Your policy exceeds the maximum allowed document size of 20480 bytes.")
	}
	var doc map[string]json.RawMessage
	if json.Unmarshal(body, &doc) != nil {
		return nil, malformedPolicy("This policy contains invalid Json")
	}
	raw, ok := doc["Statement"]
	if !ok {
		return nil, malformedPolicy("Missing required field Statement")
	}
	var list []map[string]json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		var one map[string]json.RawMessage
		if json.Unmarshal(raw, &one) != nil {
			return nil, malformedPolicy("Invalid policy syntax.")
		}
		list = append(list, one)
	}
	if len(list) == 0 {
		return nil, malformedPolicy("Could not parse the policy: Statement is empty!")
	}
	for _, st := range list {
		if err := checkStatementFields(st); err != nil {
			return nil, err
		}
	}
	d, err := policy.Parse(string(body))
	if err != nil {
		return nil, malformedPolicy(policyComplaint(err))
	}
	for i := range d.Statements {
		if err := s.checkStatement(&d.Statements[i], bucketName); err != nil {
			return nil, err
		}
	}
	if err := policy.Validate(string(body)); err != nil {
		return nil, malformedPolicy("Policy has an invalid condition: " + err.Error())
	}
	return d, nil
}

func checkStatementFields(st map[string]json.RawMessage) error {
	for _, names := range [][]string{{"Effect"}, {"Principal", "NotPrincipal"}, {"Action", "NotAction"}, {"Resource", "NotResource"}} {
		if !slices.ContainsFunc(names, func(n string) bool { _, ok := st[n]; return ok }) {
			return malformedPolicy("Missing required field " + names[0])
		}
	}
	var effect string
	if json.Unmarshal(st["Effect"], &effect) != nil || effect != "Allow" && effect != "Deny" {
		return malformedPolicy("Invalid effect: " + effect)
	}
	return nil
}

// policyComplaint is S3's text for what package policy found.
func policyComplaint(err error) string {
	switch text := err.Error(); {
	case strings.Contains(text, "Version:"):
		return "The policy must contain a valid version string"
	case strings.Contains(text, "Principal:"):
		return "Invalid principal in policy"
	case strings.Contains(text, "Action:"):
		return "Policy has invalid action"
	case strings.Contains(text, "Resource:"):
		return "Policy has invalid resource"
	default:
		return "Invalid policy syntax."
	}
}

func (s *Service) checkStatement(st *policy.Statement, bucketName string) error {
	for _, p := range st.Principal.AWS {
		if p != "*" && !isAccount(p) && !strings.HasPrefix(p, "arn:aws:iam::") && !strings.HasPrefix(p, "arn:aws:sts::") && !strings.HasPrefix(p, "AIDA") && !strings.HasPrefix(p, "AROA") {
			return malformedPolicy("Invalid principal in policy")
		}
	}
	onBucket, onObjects := false, false
	for _, r := range st.Resources {
		if r == "*" {
			onBucket, onObjects = true, true
			continue
		}
		rest, ok := strings.CutPrefix(r, "arn:aws:s3:::")
		if !ok {
			return malformedPolicy("Policy has invalid resource")
		}
		b, _, object := strings.Cut(rest, "/")
		if !policy.Match(b, bucketName) {
			return malformedPolicy("Policy has invalid resource")
		}
		// "bucket*" takes in the objects as well.
		onObjects = onObjects || object || strings.HasSuffix(rest, "*")
		onBucket = onBucket || !object
	}
	for _, a := range st.Actions {
		kind, known := actionKind(a)
		if !known {
			return malformedPolicy("Policy has invalid action")
		}
		if st.NotAction || st.NotResource {
			continue
		}
		if kind == kindObject && !onObjects || kind == kindBucket && !onBucket {
			return malformedPolicy("Action does not apply to any resource(s) in statement")
		}
	}
	for _, c := range st.Conditions {
		if c.Key == "aws:sourceip" {
			for _, v := range c.Values {
				if _, _, err := net.ParseCIDR(v); err != nil && net.ParseIP(v) == nil {
					return malformedPolicy("Invalid IP address in Conditions")
				}
			}
		}
		if !knownConditionKey(c.Key) {
			return malformedPolicy("Policy has an invalid condition key")
		}
	}
	return nil
}

func isAccount(s string) bool {
	return len(s) == 12 && strings.Trim(s, "0123456789") == ""
}

func knownConditionKey(key string) bool {
	if strings.HasPrefix(key, "aws:") {
		return true
	}
	for _, prefix := range []string{"s3:existingobjecttag/", "s3:requestobjecttag/"} {
		if strings.HasPrefix(key, prefix) {
			return true
		}
	}
	name, ok := strings.CutPrefix(key, "s3:")
	return ok && (slices.Contains(conditionHeaders(), name) || slices.Contains([]string{
		"authtype", "signatureversion", "signatureage", "resourceaccount", "tlsversion", "versionid", "prefix", "delimiter", "max-keys",
		"locationconstraint", "requestobjecttagkeys", "dataaccesspointarn", "dataaccesspointaccount", "accesspointnetworkorigin",
		"object-lock-mode", "object-lock-retain-until-date", "object-lock-remaining-retention-days", "object-lock-legal-hold",
		"inventoryaccessibleoptionalfields", "objectcreationoperation", "accessgrantsinstancearn",
	}, name))
}

// Kinds of resource that an action is about.
const (
	kindEither = iota
	kindBucket
	kindObject
)

// moreObjectActions are those of S3 that versitygw does not know.
func moreObjectActions() []string {
	return []string{
		"getobjectversionacl", "putobjectversionacl", "getobjecttorrent", "getobjectversiontorrent", "replicateobject", "replicatedelete", "replicatetags",
		"objectowneroverridetobucketowner", "getobjectversionforreplication", "initiatereplication", "updateobjectencryption",
	}
}

// moreBucketActions are those of S3 that versitygw does not know.
func moreBucketActions() []string {
	return []string{
		"getbucketobjectlockconfiguration", "putbucketobjectlockconfiguration", "getbucketwebsite", "deletebucketwebsite", "getbucketlogging", "listtagsforresource",
		"tagresource", "untagresource", "getbucketabac", "putbucketabac", "putbucketcors", "getbucketcors", "createbucketmetadatatableconfiguration",
	}
}

// actionKind says what an action of a policy, in lower case, is about. Patterns may
// stand for actions of either kind.
func actionKind(action string) (kind int, known bool) {
	name, ok := strings.CutPrefix(action, "s3:")
	if action == "*" || ok && strings.ContainsAny(name, "*?") {
		return kindEither, true
	}
	switch {
	case !ok:
		return 0, false
	case slices.Contains(moreObjectActions(), name):
		return kindObject, true
	case slices.Contains(moreBucketActions(), name):
		return kindBucket, true
	}
	for _, a := range policyActions() {
		if strings.EqualFold(string(a), action) {
			if is := a.IsObjectAction(); is != nil && *is {
				return kindObject, true
			}
			return kindBucket, true
		}
	}
	return 0, false
}

// policyActions are versitygw's.
func policyActions() []auth.Action {
	return []auth.Action{
		auth.GetBucketAclAction, auth.PutBucketAclAction, auth.DeleteBucketAction, auth.PutBucketVersioningAction, auth.GetBucketVersioningAction,
		auth.PutBucketPolicyAction, auth.GetBucketPolicyAction, auth.DeleteBucketPolicyAction, auth.AbortMultipartUploadAction, auth.ListMultipartUploadPartsAction,
		auth.ListBucketMultipartUploadsAction, auth.PutObjectAction, auth.GetObjectAction, auth.GetObjectVersionAction, auth.DeleteObjectAction,
		auth.DeleteObjectVersionAction, auth.GetObjectAclAction, auth.GetObjectAttributesAction, auth.GetObjectVersionAttributesAction, auth.PutObjectAclAction,
		auth.RestoreObjectAction, auth.GetBucketTaggingAction, auth.PutBucketTaggingAction, auth.GetObjectTaggingAction, auth.GetObjectVersionTaggingAction,
		auth.PutObjectTaggingAction, auth.PutObjectVersionTaggingAction, auth.DeleteObjectTaggingAction, auth.DeleteObjectVersionTaggingAction,
		auth.ListBucketVersionsAction, auth.ListBucketAction, auth.GetObjectLegalHoldAction, auth.PutObjectLegalHoldAction, auth.GetObjectRetentionAction,
		auth.PutObjectRetentionAction, auth.BypassGovernanceRetentionAction, auth.PutBucketOwnershipControlsAction, auth.GetBucketOwnershipControlsAction,
		auth.PutAnalyticsConfigurationAction, auth.GetAnalyticsConfigurationAction, auth.PutEncryptionConfigurationAction, auth.GetEncryptionConfigurationAction,
		auth.PutIntelligentTieringConfigurationAction, auth.GetIntelligentTieringConfigurationAction, auth.PutInventoryConfigurationAction,
		auth.GetInventoryConfigurationAction, auth.PutLifecycleConfigurationAction, auth.GetLifecycleConfigurationAction, auth.PutBucketLoggingAction,
		auth.PutBucketRequestPaymentAction, auth.GetBucketRequestPaymentAction, auth.PutMetricsConfigurationAction, auth.GetMetricsConfigurationAction,
		auth.PutReplicationConfigurationAction, auth.GetReplicationConfigurationAction, auth.PutBucketPublicAccessBlockAction, auth.GetBucketPublicAccessBlockAction,
		auth.PutBucketNotificationAction, auth.GetBucketNotificationAction, auth.PutAccelerateConfigurationAction, auth.GetAccelerateConfigurationAction,
		auth.PutBucketWebsiteAction, auth.GetBucketPolicyStatusAction, auth.GetBucketLocationAction,
	}
}

// isPublic says whether a policy grants something to everybody, in S3's sense: to no
// fixed account, network or source.
// Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html
func isPublic(d *policy.Document) bool {
	return slices.ContainsFunc(d.Statements, func(s policy.Statement) bool {
		return s.Allow && (s.Principal.Everyone || s.Principal.Not) && !slices.ContainsFunc(s.Conditions, confines)
	})
}

// confines says whether a condition confines a statement to fixed callers.
func confines(c policy.Condition) bool {
	if strings.Contains(c.Operator, "Not") || strings.HasSuffix(c.Operator, "IfExists") || c.Operator == "Null" {
		return false
	}
	switch c.Key {
	case "aws:sourceip":
		return !slices.ContainsFunc(c.Values, func(v string) bool { return strings.HasSuffix(v, "/0") })
	case "aws:sourcearn", "aws:sourcevpc", "aws:sourcevpce", "aws:sourceowner", "aws:sourceaccount", "aws:userid", "aws:principalorgid", "aws:principalorgpaths",
		"aws:principalarn", "aws:principalaccount", "s3:dataaccesspointarn", "s3:dataaccesspointaccount", "s3:x-amz-server-side-encryption-aws-kms-key-id":
		return !slices.ContainsFunc(c.Values, func(v string) bool { return strings.ContainsAny(v, "*?") && !strings.HasPrefix(v, "arn:aws:") })
	}
	return false
}

// asksForTags says whether a policy looks at the tags that objects have.
func asksForTags(d *policy.Document) bool {
	return slices.ContainsFunc(d.Statements, func(s policy.Statement) bool {
		return slices.ContainsFunc(s.Conditions, func(c policy.Condition) bool { return strings.HasPrefix(c.Key, "s3:existingobjecttag/") })
	})
}

// tagsOfHeader reads x-amz-tagging; what is wrong with it the upload finds.
func tagsOfHeader(h string) map[string]string {
	values, err := url.ParseQuery(h)
	if h == "" || err != nil {
		return nil
	}
	tags := map[string]string{}
	for k, v := range values {
		tags[k] = v[0]
	}
	return tags
}

// existingTags are an object's, none where it is not there.
func (s *Service) existingTags(ctx context.Context, bucketName, key, version string) map[string]string {
	r, err := s.record(ctx, bucketName, key, version)
	if err != nil {
		return nil
	}
	return r.tags
}

func (t *table) putPolicy(c fiber.Ctx) (*controllers.Response, error) {
	resp := &controllers.Response{MetaOpts: &controllers.MetaOptions{Status: http.StatusNoContent}}
	name := c.Params("bucket")
	st, err := t.s.settings(c.RequestCtx(), name)
	if err != nil {
		return resp, err
	}
	d, err := t.s.readPolicy(c.BodyRaw(), name)
	if err != nil {
		return resp, err
	}
	if st.block.blockPolicy && isPublic(d) {
		return resp, failure(http.StatusForbidden, "AccessDenied", "User: arn:aws:iam::"+t.s.opts.Account+":root is not authorized to perform: s3:PutBucketPolicy on resource: \""+
			bucketARN(name)+"\" because public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access.")
	}
	return resp, t.be.PutBucketPolicy(c.RequestCtx(), name, bytes.Clone(c.BodyRaw()))
}

func (t *table) getPolicyStatus(c fiber.Ctx) (*controllers.Response, error) {
	resp := &controllers.Response{}
	name := c.Params("bucket")
	st, err := t.s.settings(c.RequestCtx(), name)
	if err != nil {
		return resp, err
	}
	if st.policy == nil {
		return resp, noSuchPolicy(name)
	}
	public := "false"
	if st.publicPolicy {
		public = "true"
	}
	c.Response().Header.SetContentType(fiber.MIMEApplicationXML)
	resp.Data = branch("PolicyStatus", leaf("IsPublic", public)).encode()
	return resp, nil
}
