package provision

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/tintype/tintype/internal/provision/declare"
)

func (e *ensurer) publicAccess(ctx context.Context, b declare.Bucket) (func(context.Context) error, error) {
	have, err := e.S3.GetPublicAccessBlock(ctx, &s3.GetPublicAccessBlockInput{Bucket: &b.Name})
	if err != nil && code(err) != "NoSuchPublicAccessBlockConfiguration" {
		return nil, err
	}
	if err == nil {
		c := have.PublicAccessBlockConfiguration
		if c != nil && aws.ToBool(c.BlockPublicAcls) && aws.ToBool(c.BlockPublicPolicy) && aws.ToBool(c.IgnorePublicAcls) && aws.ToBool(c.RestrictPublicBuckets) {
			return nil, nil
		}
	}
	yes := aws.Bool(true)
	return func(ctx context.Context) error {
		_, err := e.S3.PutPublicAccessBlock(ctx, &s3.PutPublicAccessBlockInput{Bucket: &b.Name, PublicAccessBlockConfiguration: &types.PublicAccessBlockConfiguration{
			BlockPublicAcls: yes, BlockPublicPolicy: yes, IgnorePublicAcls: yes, RestrictPublicBuckets: yes,
		}})
		return err
	}, nil
}

// encryption is by default with a key that S3 manages; a key of somebody's own is more
// than that and stays.
func (e *ensurer) encryption(ctx context.Context, b declare.Bucket) (func(context.Context) error, error) {
	have, err := e.S3.GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: &b.Name})
	if err != nil && code(err) != "ServerSideEncryptionConfigurationNotFoundError" {
		return nil, err
	}
	if err == nil && have.ServerSideEncryptionConfiguration != nil {
		for _, r := range have.ServerSideEncryptionConfiguration.Rules {
			if d := r.ApplyServerSideEncryptionByDefault; d != nil &&
				(b.KMSKey == "" && d.SSEAlgorithm != "" || d.SSEAlgorithm == types.ServerSideEncryptionAwsKms && sameKey(aws.ToString(d.KMSMasterKeyID), b.KMSKey)) {
				return nil, nil
			}
		}
	}
	rule := types.ServerSideEncryptionRule{ApplyServerSideEncryptionByDefault: &types.ServerSideEncryptionByDefault{SSEAlgorithm: types.ServerSideEncryptionAes256}}
	if b.KMSKey != "" {
		rule.ApplyServerSideEncryptionByDefault = &types.ServerSideEncryptionByDefault{SSEAlgorithm: types.ServerSideEncryptionAwsKms, KMSMasterKeyID: &b.KMSKey}
		rule.BucketKeyEnabled = aws.Bool(true) // one call of KMS for many objects
	}
	return func(ctx context.Context) error {
		_, err := e.S3.PutBucketEncryption(ctx, &s3.PutBucketEncryptionInput{Bucket: &b.Name,
			ServerSideEncryptionConfiguration: &types.ServerSideEncryptionConfiguration{Rules: []types.ServerSideEncryptionRule{rule}}})
		return err
	}, nil
}

// cors lets the page post to the uploads bucket and read from both.
func (e *ensurer) cors(ctx context.Context, b declare.Bucket) (func(context.Context) error, error) {
	if len(b.CORS) == 0 {
		return nil, nil
	}
	have, err := e.S3.GetBucketCors(ctx, &s3.GetBucketCorsInput{Bucket: &b.Name})
	if err != nil && code(err) != "NoSuchCORSConfiguration" {
		return nil, err
	}
	var there []types.CORSRule
	if err == nil {
		there = have.CORSRules
	}
	var rules []types.CORSRule
	complete := true
	for _, want := range b.CORS {
		rule := types.CORSRule{
			ID: aws.String(want.ID), AllowedOrigins: want.Origins, AllowedMethods: want.Methods, AllowedHeaders: want.Headers,
			ExposeHeaders: want.Expose, MaxAgeSeconds: aws.Int32(int32(want.MaxAge)),
		}
		rules = append(rules, rule)
		complete = complete && slices.ContainsFunc(there, func(r types.CORSRule) bool { return sameRule(r, rule) })
	}
	if complete {
		return nil, nil
	}
	for _, r := range there { // what others configured stays
		if !slices.ContainsFunc(b.CORS, func(w declare.CORSRule) bool { return w.ID == aws.ToString(r.ID) }) {
			rules = append(rules, r)
		}
	}
	return func(ctx context.Context) error {
		_, err := e.S3.PutBucketCors(ctx, &s3.PutBucketCorsInput{Bucket: &b.Name, CORSConfiguration: &types.CORSConfiguration{CORSRules: rules}})
		return err
	}, nil
}

func sameRule(a, b types.CORSRule) bool {
	return slices.Equal(a.AllowedOrigins, b.AllowedOrigins) && slices.Equal(a.AllowedMethods, b.AllowedMethods) &&
		slices.Equal(a.AllowedHeaders, b.AllowedHeaders) && slices.Equal(a.ExposeHeaders, b.ExposeHeaders)
}

func (e *ensurer) lifecycle(ctx context.Context, b declare.Bucket) (func(context.Context) error, error) {
	have, err := e.S3.GetBucketLifecycleConfiguration(ctx, &s3.GetBucketLifecycleConfigurationInput{Bucket: &b.Name})
	if err != nil && code(err) != "NoSuchLifecycleConfiguration" {
		return nil, err
	}
	var there []types.LifecycleRule
	if err == nil {
		there = have.Rules
	}
	var rules []types.LifecycleRule
	complete := true
	for _, want := range b.Lifecycle {
		rule := types.LifecycleRule{ID: aws.String(want.ID), Status: types.ExpirationStatusEnabled, Filter: &types.LifecycleRuleFilter{Prefix: aws.String(want.Prefix)}}
		if want.ExpireDays > 0 {
			rule.Expiration = &types.LifecycleExpiration{Days: aws.Int32(int32(want.ExpireDays))}
		}
		if want.AbortUploadsDays > 0 {
			rule.AbortIncompleteMultipartUpload = &types.AbortIncompleteMultipartUpload{DaysAfterInitiation: aws.Int32(int32(want.AbortUploadsDays))}
		}
		rules = append(rules, rule)
		complete = complete && slices.ContainsFunc(there, func(r types.LifecycleRule) bool { return sameLifecycle(r, rule) })
	}
	if complete {
		return nil, nil
	}
	for _, r := range there {
		if !slices.ContainsFunc(b.Lifecycle, func(w declare.LifecycleRule) bool { return w.ID == aws.ToString(r.ID) }) {
			rules = append(rules, r)
		}
	}
	return func(ctx context.Context) error {
		_, err := e.S3.PutBucketLifecycleConfiguration(ctx, &s3.PutBucketLifecycleConfigurationInput{Bucket: &b.Name,
			LifecycleConfiguration: &types.BucketLifecycleConfiguration{Rules: rules}})
		return err
	}, nil
}

func sameLifecycle(a, b types.LifecycleRule) bool {
	flat := func(r types.LifecycleRule) (f struct {
		prefix, status string
		filtered       bool
		expire, abort  int32
	}) {
		f.status, f.prefix = string(r.Status), aws.ToString(r.Prefix) //nolint:staticcheck // older configurations have the prefix there
		if r.Filter != nil {
			f.prefix = aws.ToString(r.Filter.Prefix)
			f.filtered = r.Filter.And != nil || r.Filter.Tag != nil || r.Filter.ObjectSizeGreaterThan != nil || r.Filter.ObjectSizeLessThan != nil
		}
		if r.Expiration != nil {
			f.expire = aws.ToInt32(r.Expiration.Days)
		}
		if r.AbortIncompleteMultipartUpload != nil {
			f.abort = aws.ToInt32(r.AbortIncompleteMultipartUpload.DaysAfterInitiation)
		}
		return f
	}
	return flat(a) == flat(b)
}

func (e *ensurer) bucketTags(ctx context.Context, b declare.Bucket) (func(context.Context) error, error) {
	have, err := e.S3.GetBucketTagging(ctx, &s3.GetBucketTaggingInput{Bucket: &b.Name})
	if err != nil && code(err) != "NoSuchTagSet" {
		return nil, err
	}
	there := map[string]string{}
	if err == nil {
		for _, t := range have.TagSet {
			there[aws.ToString(t.Key)] = aws.ToString(t.Value)
		}
	}
	set := lacking(there, b.Tags)
	if len(set) == 0 {
		return nil, nil
	}
	for k, v := range set {
		there[k] = v
	}
	var tags []types.Tag
	for k, v := range there {
		tags = append(tags, types.Tag{Key: &k, Value: &v})
	}
	return func(ctx context.Context) error {
		_, err := e.S3.PutBucketTagging(ctx, &s3.PutBucketTaggingInput{Bucket: &b.Name, Tagging: &types.Tagging{TagSet: tags}})
		return err
	}, nil
}

func (e *ensurer) bucketPolicy(ctx context.Context, b declare.Bucket) (func(context.Context) error, error) {
	if b.Policy.Empty() {
		return nil, nil
	}
	have, err := e.policyOf(ctx, b.Name)
	if err != nil {
		return nil, err
	}
	want, missing, err := b.Policy.Merge(have)
	if err != nil || len(missing) == 0 {
		return nil, err
	}
	return func(ctx context.Context) error {
		_, err := e.S3.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: &b.Name, Policy: &want})
		return err
	}, nil
}

// policyOf is a bucket's policy, empty where there is none.
func (e *ensurer) policyOf(ctx context.Context, bucket string) (string, error) {
	have, err := e.S3.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: &bucket})
	if code(err) == "NoSuchBucketPolicy" {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return aws.ToString(have.Policy), nil
}
