package s3

import (
	"strings"

	"github.com/gofiber/fiber/v3"
	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/metrics"
	"github.com/versity/versitygw/s3api/middlewares"
	"github.com/versity/versitygw/s3api/utils"

	"github.com/tintype/tintype/internal/localaws/policy"
)

// Users besides the account's own may do what their policies allow and neither these nor
// the bucket's deny. That a bucket's policy could allow a user something, as on AWS, is left
// out: what passes here passes there.
// Source: IAM User Guide, "Policy evaluation logic", within one account.

// userOf is the access key of the user who calls, empty for the account's own key and for
// the anonymous.
func (t *table) userOf(c fiber.Ctx) string {
	key := requestOf(c.RequestCtx()).principal
	if t.s.opts.Users == nil || key == "" || key == t.root.Access {
		return ""
	}
	return key
}

// formKey is the key that a request is about, also where a form names it.
func formKey(c fiber.Ctx, w way) string {
	if w.action == metrics.ActionPostObject {
		if r, ok := utils.ContextKeyObjectPostResult.Get(c).(middlewares.PostObjectResult); ok {
			return r.Fields["key"]
		}
	}
	return objectOf(c)
}

// decideFor is what the bucket's policy says of the user.
func (t *table) decideFor(c fiber.Ctx, st *settings, w way, name string) policy.Decision {
	if st.policy == nil {
		return policy.NoMatch
	}
	return t.decide(c, st, w, name, formKey(c, w), t.s.opts.Users.ARN(t.userOf(c)))
}

// admitUser lets a user's request pass, or refuses it. bucket is what the bucket's policy
// says, st its settings where there is the bucket.
func (t *table) admitUser(c fiber.Ctx, w way, bucket policy.Decision, st *settings) error {
	user := t.userOf(c)
	if user == "" {
		return nil
	}
	if bucket == policy.Denied {
		return accessDenied()
	}
	if st == nil {
		st = &settings{}
	}
	name, key := c.Params("bucket"), formKey(c, w)
	may := func(action, bucketName, key string) bool {
		resource := "*"
		if bucketName != "" {
			resource = bucketARN(bucketName)
		}
		if key != "" {
			resource += "/" + key
		}
		return t.s.opts.Users.May(user, action, resource, t.conditionKeys(c, st, w, bucketName, key, t.s.opts.Users.ARN(user)))
	}
	action := string(w.public)
	switch {
	case w.action == metrics.ActionListAllMyBuckets:
		action = string(auth.Action("s3:ListAllMyBuckets"))
	case w.action == metrics.ActionDeleteObjects:
		// Each key is decided on by itself, and refused by itself.
		requestOf(c.RequestCtx()).mayDelete = func(key, version string) bool {
			action := auth.DeleteObjectAction
			if version != "" {
				action = auth.Action(withVersion(action))
			}
			return may(string(action), name, key)
		}
		return nil
	case action == "":
		return nil // answered with an error in any case
	case c.Query("versionId") != "":
		action = withVersion(w.public)
	}
	if !may(action, name, key) {
		return accessDenied()
	}
	for _, also := range alsoNeeded() {
		if w.public == auth.PutObjectAction && c.Get(also.header) != "" && !may(also.action, name, key) {
			return accessDenied()
		}
	}
	if src := c.Get("X-Amz-Copy-Source"); src != "" && (w.action == metrics.ActionCopyObject || w.action == metrics.ActionUploadPartCopy) {
		return t.admitCopy(c, w, strings.Clone(src), may)
	}
	return nil
}

// alsoNeeded are what an upload needs besides s3:PutObject, by the header that asks for it.
// Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html, "Permissions"
func alsoNeeded() []struct{ header, action string } {
	return []struct{ header, action string }{
		{"X-Amz-Tagging", "s3:PutObjectTagging"},
		{"X-Amz-Acl", "s3:PutObjectAcl"}, {"X-Amz-Grant-Read", "s3:PutObjectAcl"}, {"X-Amz-Grant-Full-Control", "s3:PutObjectAcl"},
		{"X-Amz-Grant-Read-Acp", "s3:PutObjectAcl"}, {"X-Amz-Grant-Write-Acp", "s3:PutObjectAcl"},
		{"X-Amz-Object-Lock-Mode", "s3:PutObjectRetention"}, {"X-Amz-Object-Lock-Legal-Hold", "s3:PutObjectLegalHold"},
	}
}

// admitCopy asks for what a copy needs besides writing: reading its source, and the tags
// that go with it.
// Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html, "Permissions"
func (t *table) admitCopy(c fiber.Ctx, w way, header string, may func(action, bucket, key string) bool) error {
	src, err := parseCopySource(header)
	if err != nil {
		return err
	}
	read, tags := auth.GetObjectAction, auth.GetObjectTaggingAction
	if src.version != "" {
		read, tags = auth.Action(withVersion(read)), auth.Action(withVersion(tags))
	}
	if !may(string(read), src.bucket, src.key) {
		return accessDenied()
	}
	if w.action == metrics.ActionCopyObject && !strings.EqualFold(c.Get("X-Amz-Tagging-Directive"), "REPLACE") && len(t.s.existingTags(c.RequestCtx(), src.bucket, src.key, src.version)) > 0 &&
		(!may(string(tags), src.bucket, src.key) || !may(string(auth.PutObjectTaggingAction), c.Params("bucket"), objectOf(c))) {
		return accessDenied()
	}
	return nil
}

// userMayList says whether a user may know what is not in the bucket.
func (t *table) userMayList(c fiber.Ctx) bool {
	user := t.userOf(c)
	if user == "" {
		return true
	}
	name := c.Params("bucket")
	keys := t.conditionKeys(c, &settings{}, way{}, name, "", t.s.opts.Users.ARN(user))
	return t.s.opts.Users.Implies(user, string(auth.ListBucketAction), bucketARN(name), keys)
}
