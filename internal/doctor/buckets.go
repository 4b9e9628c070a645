package doctor

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// longestWait is how long SQS keeps anything, in days: an upload's message may be as old.
const longestWait = 14

func (j *judge) buckets() {
	if j.Uploads == j.Results {
		j.found("one-bucket", bucketName(j.Uploads), "uploads and results are both "+j.Uploads, "name two: --uploads-bucket and --results-bucket", "")
	}
	j.bucket(&j.st.Uploads, "GET", "POST")
	if j.Uploads != j.Results {
		j.bucket(&j.st.Results, "GET")
	}
}

func (j *judge) bucket(b *Bucket, methods ...string) {
	name := bucketName(b.Name)
	switch b.State {
	case Missing:
		j.found("bucket-missing", name, "there is no such bucket", "", Provision)
	case Forbidden:
		j.found("bucket-forbidden", name, "S3 answers 403", "use credentials of the bucket's account, or names of your own: --name-prefix", "")
	case There:
		if b.Region != "" && b.Region != j.Region {
			j.found("bucket-region", name, fmt.Sprintf("it is in %s, everything else in %s", b.Region, j.Region), "set AWS_REGION="+b.Region+", or name another bucket", "")
			return
		}
		j.bucketPolicy(b, name)
		j.bucketHardening(b, name)
		j.bucketKeeping(b, name)
		if j.Tier.Wants(Web) && b.CORSKnown {
			j.cors(b, name, methods)
		}
	}
}

// bucketPolicy looks for what the policy denies everybody, and for what it lets anybody do.
func (j *judge) bucketPolicy(b *Bucket, name string) {
	policy, err := parsePolicy(b.Policy)
	if err != nil {
		j.found("policy-unclear", name, err.Error(), "", "")
		return
	}
	object := "arn:aws:s3:::" + b.Name + "/x"
	if j.st.Partition != "" {
		object = strings.Replace(object, "aws", j.st.Partition, 1)
	}
	bucket := strings.TrimSuffix(object, "/x")
	tls := false
	for i := range policy {
		s := &policy[i]
		denyPlain := !s.allow && slices.ContainsFunc(s.conditions, func(c condition) bool { return c.key == keyTLS && slices.Contains(c.values, "false") })
		tls = tls || denyPlain
		if !s.everyone || s.notThose || len(s.services) > 0 {
			continue
		}
		var does []string
		for _, a := range []string{"s3:PutObject", "s3:GetObject", "s3:DeleteObject"} {
			if s.does(a) && s.on(object) {
				does = append(does, a)
			}
		}
		if s.does("s3:ListBucket") && s.on(bucket) {
			does = append(does, "s3:ListBucket")
		}
		if len(does) == 0 || s.narrowed() || denyPlain && j.TLS {
			continue
		}
		if s.allow {
			j.found("bucket-open", name, s.name()+" lets everybody do "+strings.Join(does, ", "), "take the statement out of the policy", j.dropBucketPolicy(b, policy))
		} else {
			j.found("bucket-denies", name, s.name()+" denies everybody "+strings.Join(does, ", "), "take the statement out of the policy, or let it except the tiers' roles", j.dropBucketPolicy(b, policy))
		}
	}
	if j.TLS && !tls {
		j.found("bucket-plain-http", name, "nothing denies requests without TLS", "", Provision)
	}
}

// dropBucketPolicy removes the whole policy where there is nothing else in it.
func (j *judge) dropBucketPolicy(b *Bucket, policy []statement) string {
	if len(policy) != 1 {
		return ""
	}
	return "aws s3api delete-bucket-policy --bucket " + b.Name
}

func (j *judge) bucketHardening(b *Bucket, name string) {
	if b.BlockKnown {
		on := func(p *bool) bool { return p != nil && *p }
		if p := b.Block; p == nil || !on(p.BlockPublicAcls) || !on(p.IgnorePublicAcls) || !on(p.BlockPublicPolicy) || !on(p.RestrictPublicBuckets) {
			what := "nothing is blocked"
			if p != nil {
				what = "not everything is blocked"
			}
			j.found("bucket-unblocked", name, what, "", "aws s3api put-public-access-block --bucket "+b.Name+
				" --public-access-block-configuration BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true")
		}
	}
	// S3 has encrypted everything since 2023; others need not.
	if b.EncKnown && b.Encryption == nil && j.TLS {
		j.found("bucket-unencrypted", name, "no default encryption is configured", "", Provision)
	}
}

// bucketKeeping looks at what ends objects early, or keeps them.
func (j *judge) bucketKeeping(b *Bucket, name string) {
	for _, r := range b.Lifecycle {
		prefix := aws.ToString(r.Prefix) //nolint:staticcheck // deprecated, and in rules that are old
		if f := r.Filter; f != nil {
			if f.Prefix != nil {
				prefix = *f.Prefix
			}
			if f.And != nil {
				prefix = aws.ToString(f.And.Prefix)
			}
		}
		if r.Status != types.ExpirationStatusEnabled || r.Expiration == nil || r.Expiration.Days == nil || *r.Expiration.Days > longestWait || strings.HasPrefix(prefix, ".tintype/") {
			continue
		}
		j.found("bucket-expires", name, fmt.Sprintf("lifecycle rule %q deletes what begins with %q after %d days", aws.ToString(r.ID), prefix, *r.Expiration.Days),
			"let the rule wait for longer than messages are kept (up to 14 days), or take it out", j.dropLifecycle(b))
	}
	if b.Versioned {
		j.found("bucket-versions", name, "versioning is on", "a lifecycle rule with NoncurrentVersionExpiration ends old versions", "")
	}
	if b.LockDays > 0 {
		j.found("bucket-lock", name, fmt.Sprintf("new objects are kept for %d days whatever is deleted", b.LockDays), "take the default retention away, if images must go when they are deleted", "")
	}
}

func (j *judge) dropLifecycle(b *Bucket) string {
	if len(b.Lifecycle) != 1 {
		return ""
	}
	return "aws s3api delete-bucket-lifecycle --bucket " + b.Name
}

func (j *judge) cors(b *Bucket, name string, methods []string) {
	var out []string
	for _, origin := range j.Origins {
		for _, m := range methods {
			if !slices.ContainsFunc(b.CORS, func(r types.CORSRule) bool {
				return slices.Contains(r.AllowedMethods, m) && slices.ContainsFunc(r.AllowedOrigins, func(p string) bool { return match(p, origin) })
			}) {
				out = append(out, m+" from "+origin)
			}
		}
	}
	if len(out) > 0 {
		j.found("bucket-cors", name, "it does not let in "+strings.Join(out, ", "), "with --origin where the page has another address", Provision)
	}
}
