package doctor

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// configured reads what is configured on a bucket.
func (l *looker) configured(ctx context.Context, b *Bucket) {
	name, resource := &b.Name, bucketName(b.Name)
	get := func(action string, not []string, call func(context.Context) error) bool {
		return l.try(ctx, action, resource, not, call)
	}
	get("s3:GetBucketNotification", nil, func(ctx context.Context) error {
		out, err := l.S3.GetBucketNotificationConfiguration(ctx, &s3.GetBucketNotificationConfigurationInput{Bucket: name})
		if err == nil {
			b.Notification = out
		}
		return err
	})
	get("s3:GetBucketCORS", nil, func(ctx context.Context) error {
		out, err := l.S3.GetBucketCors(ctx, &s3.GetBucketCorsInput{Bucket: name})
		if err == nil {
			b.CORS = out.CORSRules
		} else if codeOf(err) == "NoSuchCORSConfiguration" {
			err = nil
		}
		b.CORSKnown = err == nil
		return err
	})
	get("s3:GetBucketPublicAccessBlock", nil, func(ctx context.Context) error {
		out, err := l.S3.GetPublicAccessBlock(ctx, &s3.GetPublicAccessBlockInput{Bucket: name})
		if err == nil {
			b.Block = out.PublicAccessBlockConfiguration
		} else if codeOf(err) == "NoSuchPublicAccessBlockConfiguration" {
			err = nil
		}
		b.BlockKnown = err == nil
		return err
	})
	get("s3:GetBucketPolicy", []string{"NoSuchBucketPolicy"}, func(ctx context.Context) error {
		out, err := l.S3.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: name})
		if err == nil {
			b.Policy = aws.ToString(out.Policy)
		}
		return err
	})
	get("s3:GetLifecycleConfiguration", []string{"NoSuchLifecycleConfiguration"}, func(ctx context.Context) error {
		out, err := l.S3.GetBucketLifecycleConfiguration(ctx, &s3.GetBucketLifecycleConfigurationInput{Bucket: name})
		if err == nil {
			b.Lifecycle = out.Rules
		}
		return err
	})
	get("s3:GetBucketVersioning", nil, func(ctx context.Context) error {
		out, err := l.S3.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: name})
		b.Versioned = err == nil && out.Status == types.BucketVersioningStatusEnabled
		return err
	})
	if b.Versioned { // without versions there is no lock
		get("s3:GetBucketObjectLockConfiguration", []string{"ObjectLockConfigurationNotFoundError"}, func(ctx context.Context) error {
			out, err := l.S3.GetObjectLockConfiguration(ctx, &s3.GetObjectLockConfigurationInput{Bucket: name})
			if err == nil && out.ObjectLockConfiguration != nil && out.ObjectLockConfiguration.Rule != nil && out.ObjectLockConfiguration.Rule.DefaultRetention != nil {
				r := out.ObjectLockConfiguration.Rule.DefaultRetention
				b.LockDays = int(aws.ToInt32(r.Days) + 365*aws.ToInt32(r.Years))
			}
			return err
		})
	}
	get("s3:GetEncryptionConfiguration", nil, func(ctx context.Context) error {
		out, err := l.S3.GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: name})
		switch {
		case err == nil && out.ServerSideEncryptionConfiguration != nil:
			for _, r := range out.ServerSideEncryptionConfiguration.Rules {
				b.Encryption = r.ApplyServerSideEncryptionByDefault
			}
		case codeOf(err) == "ServerSideEncryptionConfigurationNotFoundError":
			err = nil
		}
		b.EncKnown = err == nil
		return err
	})
}

// A key, an upload and a receipt that there never are.
const (
	nowhereKey = ".tintype/doctor/none"
	noUpload   = "tintype-doctor-none"
	noReceipt  = "tintype-doctor-none"
)

// rights tries what the tiers need to do, by calls that cannot do it: a part for an upload
// that was never begun, a receipt that nobody was given. The services refuse those without
// the right before they look at what is asked, so a refusal of permission is certain; that
// another error came says only that nothing was refused. What cannot be tried without
// effect (ReceiveMessage counts) is left to Probe.
func (l *looker) rights(ctx context.Context) {
	st, o := l.st, l.o
	type right struct {
		tier             Tier
		action, resource string
		needed           string
		there            bool
		call             func(context.Context) error
	}
	object := func(b *Bucket, tier Tier, needed string) []right {
		name := &b.Name
		return []right{
			{tier, "s3:PutObject", "s3://" + b.Name, needed, b.State == There, func(ctx context.Context) error {
				_, err := l.S3.UploadPart(ctx, &s3.UploadPartInput{Bucket: name, Key: aws.String(nowhereKey), UploadId: aws.String(noUpload), PartNumber: aws.Int32(1), Body: strings.NewReader("")})
				return err
			}},
			{All, "s3:GetObject", "s3://" + b.Name, "reading images and results", b.State == There, func(ctx context.Context) error {
				_, err := l.S3.HeadObject(ctx, &s3.HeadObjectInput{Bucket: name, Key: aws.String(nowhereKey)})
				return err
			}},
			{All, "s3:ListBucket", "s3://" + b.Name, "lists, and telling a missing result from a refused one", b.State == There, func(ctx context.Context) error {
				_, err := l.S3.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: name, MaxKeys: aws.Int32(1), Prefix: aws.String(nowhereKey)})
				return err
			}},
			// Of a bucket with versions even a key of which there is none gets a marker.
			{Web, "s3:DeleteObject", "s3://" + b.Name, "deleting images", b.State == There && !b.Versioned, func(ctx context.Context) error {
				_, err := l.S3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: name, Key: aws.String(nowhereKey)})
				return err
			}},
		}
	}
	all := object(&st.Uploads, Web, "uploads")
	all = append(all, object(&st.Results, App, "results")...)
	all = append(all,
		right{App, "sqs:DeleteMessage", queueName(o.Queue), "ending what is done", st.Queue.State == There, func(ctx context.Context) error {
			_, err := l.SQS.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &st.Queue.URL, ReceiptHandle: aws.String(noReceipt)})
			return err
		}},
		right{App, "sqs:ChangeMessageVisibility", queueName(o.Queue), "keeping what is in work from others", st.Queue.State == There, func(ctx context.Context) error {
			_, err := l.SQS.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{QueueUrl: &st.Queue.URL, ReceiptHandle: aws.String(noReceipt), VisibilityTimeout: 0})
			return err
		}},
		right{App, "sns:Publish", topicName(o.CompletionTopic), "announcing what is done", st.CompletionTopic.State == There, func(ctx context.Context) error {
			// An empty message is refused as one.
			_, err := l.SNS.Publish(ctx, &sns.PublishInput{TopicArn: &st.CompletionTopic.ARN, Message: aws.String("")})
			return err
		}},
	)
	reading := map[string]bool{} // buckets whose listing is refused: then a missing key is, too
	for _, r := range all {
		if !r.there || !o.Tier.Wants(r.tier) {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, callTimeout)
		err := r.call(ctx)
		cancel()
		if err == nil || !denied(err) {
			continue
		}
		if r.action == "s3:ListBucket" {
			reading[r.resource] = true
		}
		st.Lacks = append(st.Lacks, Lack{Action: r.action, Resource: r.resource, Tier: r.tier, For: r.needed})
	}
	// S3 says "forbidden" of a missing key to those who may not list.
	kept := st.Lacks[:0]
	for _, k := range st.Lacks {
		if k.Action != "s3:GetObject" || !reading[k.Resource] {
			kept = append(kept, k)
		}
	}
	st.Lacks = kept
}
