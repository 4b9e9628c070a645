package doctor_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/tintype/tintype/internal/doctor"
	"github.com/tintype/tintype/localawstest"
)

type sqstypesName = sqstypes.QueueAttributeName

// breakage is one mistake.
type breakage struct {
	name    string
	do      func(*deployment)
	codes   []string // what is to be found; the first is the mistake itself, others its consequences
	says    string
	mend    func(*deployment) // where the finding names no command
	notMoto string            // why moto cannot show it
}

func fresh(t *testing.T) string { return localawstest.New(t).URL }

func post(t *testing.T, url string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
}

const (
	uploads = "tintype-uploads"
	results = "tintype-results"
)

func breakages() []breakage {
	var all []breakage
	for _, some := range [][]breakage{topicBreakages(), notificationBreakages(), subscriptionBreakages(), queueBreakages(), deadLetterBreakages(), bucketBreakages(), tierBreakages()} {
		all = append(all, some...)
	}
	return all
}

func topicBreakages() []breakage {
	return []breakage{
		{name: "upload topic deleted", codes: []string{"topic-missing"}, do: func(d *deployment) {
			_, err := d.c.SNS.DeleteTopic(d.t.Context(), &sns.DeleteTopicInput{TopicArn: &d.res.UploadTopicARN})
			d.ok(err)
		}},
		{name: "completion topic deleted", codes: []string{"topic-missing"}, do: func(d *deployment) {
			_, err := d.c.SNS.DeleteTopic(d.t.Context(), &sns.DeleteTopicInput{TopicArn: &d.res.CompletionTopicARN})
			d.ok(err)
		}},
		{name: "topic policy of the account alone", codes: []string{"topic-closed"}, do: func(d *deployment) {
			d.topicPolicy(`{"Version":"2012-10-17","Statement":[{"Sid":"own","Effect":"Allow","Principal":{"AWS":"` + d.res.Account + `"},"Action":"SNS:Publish","Resource":"` + d.res.UploadTopicARN + `"}]}`)
		}},
		{name: "topic policy as a new topic has it", codes: []string{"topic-closed"}, do: func(d *deployment) {
			d.topicPolicy(`{"Version":"2008-10-17","Statement":[{"Sid":"__default_statement_ID","Effect":"Allow","Principal":{"AWS":"*"},"Action":["SNS:Publish","SNS:Subscribe"],"Resource":"` + d.res.UploadTopicARN + `","Condition":{"StringEquals":{"AWS:SourceOwner":"` + d.res.Account + `"}}}]}`)
		}},
		{name: "topic policy of another bucket", codes: []string{"topic-other-bucket"}, do: func(d *deployment) {
			d.topicPolicy(strings.ReplaceAll(d.readTopicPolicy(), "arn:aws:s3:::"+uploads, "arn:aws:s3:::photos"))
		}},
		{name: "topic policy of another account", codes: []string{"topic-other-account"}, do: func(d *deployment) {
			d.topicPolicy(strings.Replace(d.readTopicPolicy(), `"aws:SourceAccount":"`+d.res.Account+`"`, `"aws:SourceAccount":"111122223333"`, 1))
		}},
		{name: "topic policy denies", codes: []string{"topic-denies"}, says: "shut", do: func(d *deployment) {
			d.topicPolicy(with(d.readTopicPolicy(), `{"Sid":"shut","Effect":"Deny","Principal":{"Service":"s3.amazonaws.com"},"Action":"SNS:Publish","Resource":"`+d.res.UploadTopicARN+`"}`))
		}},
		{name: "topic policy lets everybody in", codes: []string{"topic-open"}, says: "everybody", do: func(d *deployment) {
			d.topicPolicy(with(d.readTopicPolicy(), `{"Sid":"world","Effect":"Allow","Principal":"*","Action":"SNS:Publish","Resource":"`+d.res.UploadTopicARN+`"}`))
		}},
		{name: "topic policy lets any bucket in", codes: []string{"topic-any-bucket"}, do: func(d *deployment) {
			d.topicPolicy(with(d.readTopicPolicy(), `{"Sid":"anys3","Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"SNS:Publish","Resource":"`+d.res.UploadTopicARN+`"}`))
		}},
		{name: "topic with AWS's key", codes: []string{"topic-key"}, do: func(d *deployment) { d.topicKey("alias/aws/sns") }, mend: func(d *deployment) { d.topicKey("") }},
		{name: "topic with a key of one's own", codes: []string{"key-unseen"}, do: func(d *deployment) { d.topicKey("alias/images") }, mend: func(d *deployment) { d.topicKey("") }},
	}
}

func (d *deployment) topicKey(key string) {
	d.t.Helper()
	_, err := d.c.SNS.SetTopicAttributes(d.t.Context(), &sns.SetTopicAttributesInput{TopicArn: &d.res.UploadTopicARN, AttributeName: aws.String("KmsMasterKeyId"), AttributeValue: &key})
	d.ok(err)
}

func notificationBreakages() []breakage {
	created := s3types.EventS3ObjectCreated
	return []breakage{
		{name: "no notification", codes: []string{"notification-none"}, do: func(d *deployment) { d.notify(uploads, &s3types.NotificationConfiguration{}) }},
		{name: "notification of deletions alone", codes: []string{"notification-none"}, do: func(d *deployment) {
			d.notify(uploads, topicConf(d.res.UploadTopicARN, nil, s3types.EventS3ObjectRemoved))
		}},
		{name: "notification to another topic", codes: []string{"notification-elsewhere"}, says: "processingnotification", do: func(d *deployment) {
			d.c.SNS.SetTopicAttributes(d.t.Context(), &sns.SetTopicAttributesInput{TopicArn: &d.res.CompletionTopicARN, AttributeName: aws.String("Policy"),
				AttributeValue: aws.String(strings.ReplaceAll(d.readTopicPolicy(), "uploadnotification", "processingnotification"))})
			d.notify(uploads, topicConf(d.res.CompletionTopicARN, nil, created))
		}},
		{name: "notification with a prefix", codes: []string{"notification-filter"}, says: "prefix photos/", do: func(d *deployment) {
			d.notify(uploads, topicConf(d.res.UploadTopicARN, map[string]string{"prefix": "photos/"}, created))
		}},
		{name: "notification with a suffix", codes: []string{"notification-filter"}, says: "suffix .jpg", do: func(d *deployment) {
			d.notify(uploads, topicConf(d.res.UploadTopicARN, map[string]string{"suffix": ".jpg"}, created))
		}},
		{name: "notification of Put alone", codes: []string{"notification-events"}, says: "Post, Copy, CompleteMultipartUpload", do: func(d *deployment) {
			d.notify(uploads, topicConf(d.res.UploadTopicARN, nil, s3types.EventS3ObjectCreatedPut))
		}},
		{name: "notification straight to the queue", codes: []string{"notification-direct", "queue-closed"}, do: func(d *deployment) {
			// S3 looks whether the queue takes its test event; then the policy is put back.
			policy := d.readQueuePolicy()
			d.queueAttribute(d.res.QueueURL, "Policy", with(policy, s3MaySend(d)))
			d.notify(uploads, queueConf(d, created))
			d.queueAttribute(d.res.QueueURL, "Policy", policy)
		}, mend: func(d *deployment) {
			d.notify(uploads, &s3types.NotificationConfiguration{})
			d.provision()
		}},
		{name: "notification on two ways", codes: []string{"notification-twice"}, do: func(d *deployment) {
			d.queueAttribute(d.res.QueueURL, "Policy", with(d.readQueuePolicy(), s3MaySend(d)))
			conf := topicConf(d.res.UploadTopicARN, nil, s3types.EventS3ObjectCreatedPut, s3types.EventS3ObjectCreatedPost)
			conf.QueueConfigurations = queueConf(d, s3types.EventS3ObjectCreatedCopy, s3types.EventS3ObjectCreatedCompleteMultipartUpload).QueueConfigurations
			d.notify(uploads, conf)
		}},
		{name: "notification of the results bucket", codes: []string{"notification-loop"}, do: func(d *deployment) {
			d.topicPolicy(with(d.readTopicPolicy(), `{"Sid":"more","Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"SNS:Publish","Resource":"`+d.res.UploadTopicARN+`","Condition":{"ArnLike":{"aws:SourceArn":"arn:aws:s3:::`+results+`"}}}`))
			d.notify(results, topicConf(d.res.UploadTopicARN, nil, created))
		}},
	}
}

func nothing() *s3types.NotificationConfiguration { return &s3types.NotificationConfiguration{} }

func s3MaySend(d *deployment) string {
	return `{"Sid":"s3","Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"SQS:SendMessage","Resource":"` + d.res.QueueARN + `","Condition":{"ArnEquals":{"aws:SourceArn":"arn:aws:s3:::` + uploads + `"}}}`
}

func queueConf(d *deployment, events ...s3types.Event) *s3types.NotificationConfiguration {
	return &s3types.NotificationConfiguration{QueueConfigurations: []s3types.QueueConfiguration{{Id: aws.String("straight"), QueueArn: &d.res.QueueARN, Events: events}}}
}

func subscriptionBreakages() []breakage {
	unsubscribe := func(d *deployment) {
		_, err := d.c.SNS.Unsubscribe(d.t.Context(), &sns.UnsubscribeInput{SubscriptionArn: &d.subscriptions(d.res.UploadTopicARN)[0]})
		d.ok(err)
	}
	return []breakage{
		{name: "queue not subscribed", codes: []string{"subscription-missing"}, do: unsubscribe},
		{name: "another queue subscribed", codes: []string{"subscription-missing"}, says: "Other", do: func(d *deployment) {
			unsubscribe(d)
			d.newQueue("Other", nil)
			d.subscribe(d.res.UploadTopicARN, "sqs", d.arnOf("sqs", "Other"))
		}},
		{name: "filter on attributes", codes: []string{"subscription-filter"}, says: "store", do: func(d *deployment) { d.subscriptionAttribute("FilterPolicy", `{"store":["example"]}`) }},
		{name: "filter on the body", codes: []string{"subscription-body-filter"}, do: func(d *deployment) {
			d.subscriptionAttribute("FilterPolicyScope", "MessageBody")
			d.subscriptionAttribute("FilterPolicy", `{"Records":{"eventName":["ObjectCreated:Put"]}}`)
		}},
		{name: "raw delivery", codes: []string{"subscription-raw"}, do: func(d *deployment) { d.subscriptionAttribute("RawMessageDelivery", "true") },
			mend: func(d *deployment) { d.subscriptionAttribute("RawMessageDelivery", "false") }},
		{name: "address not confirmed", codes: []string{"subscription-pending"}, notMoto: "confirms addresses by itself", do: func(d *deployment) { d.subscribe(d.res.CompletionTopicARN, "email", "ann@example.com") },
			mend: func(d *deployment) { // forgotten, as AWS does after some days
				_, err := d.c.SNS.DeleteTopic(d.t.Context(), &sns.DeleteTopicInput{TopicArn: &d.res.CompletionTopicARN})
				d.ok(err)
				d.provision()
			}},
		{name: "queue subscribed to completions", codes: []string{"subscription-completions"}, do: func(d *deployment) { d.subscribe(d.res.CompletionTopicARN, "sqs", d.res.QueueARN) }},
		{name: "dead-letter queue subscribed", codes: []string{"subscription-dead-letters"}, do: func(d *deployment) { d.subscribe(d.res.UploadTopicARN, "sqs", d.res.DeadLetterQueueARN) }},
	}
}

func queueBreakages() []breakage {
	set := func(name, value string) func(*deployment) {
		return func(d *deployment) { d.queueAttribute(d.res.QueueURL, name, value) }
	}
	return []breakage{
		{name: "queue deleted", codes: []string{"queue-missing"}, do: func(d *deployment) { d.dropQueue(d.res.QueueURL) }, mend: again},
		{name: "queue is FIFO", codes: []string{"queue-fifo"}, says: "ImageApp.fifo", do: func(d *deployment) {
			d.dropQueue(d.res.QueueURL)
			d.newQueue("ImageApp.fifo", map[string]string{"FifoQueue": "true"})
		}, mend: again},
		{name: "queue policy missing", codes: []string{"queue-closed"}, do: set("Policy", "")},
		{name: "queue policy of another topic", codes: []string{"queue-other-topic"}, do: func(d *deployment) {
			d.queueAttribute(d.res.QueueURL, "Policy", strings.ReplaceAll(d.readQueuePolicy(), "uploadnotification", "processingnotification"))
		}},
		{name: "queue policy denies", codes: []string{"queue-denies"}, says: "shut", do: func(d *deployment) {
			d.queueAttribute(d.res.QueueURL, "Policy", with(d.readQueuePolicy(), `{"Sid":"shut","Effect":"Deny","Principal":{"Service":"sns.amazonaws.com"},"Action":"SQS:SendMessage","Resource":"`+d.res.QueueARN+`"}`))
		}},
		{name: "queue policy lets everybody send", codes: []string{"queue-open"}, do: func(d *deployment) {
			d.queueAttribute(d.res.QueueURL, "Policy", with(d.readQueuePolicy(), `{"Sid":"world","Effect":"Allow","Principal":{"AWS":"*"},"Action":"SQS:SendMessage","Resource":"`+d.res.QueueARN+`"}`))
		}},
		{name: "queue policy lets everybody receive", codes: []string{"queue-open"}, do: func(d *deployment) {
			d.queueAttribute(d.res.QueueURL, "Policy", with(d.readQueuePolicy(), `{"Sid":"world","Effect":"Allow","Principal":"*","Action":["SQS:ReceiveMessage","SQS:DeleteMessage"],"Resource":"`+d.res.QueueARN+`"}`))
		}},
		{name: "queue policy lets any topic send", codes: []string{"queue-any-topic"}, do: func(d *deployment) {
			d.queueAttribute(d.res.QueueURL, "Policy", with(d.readQueuePolicy(), `{"Sid":"sns","Effect":"Allow","Principal":{"Service":"sns.amazonaws.com"},"Action":"SQS:SendMessage","Resource":"`+d.res.QueueARN+`"}`))
		}},
		{name: "queue with AWS's key", codes: []string{"queue-key"}, do: set("KmsMasterKeyId", "alias/aws/sqs"), mend: set("KmsMasterKeyId", "")},
		{name: "visibility of a second", codes: []string{"queue-visibility"}, do: set("VisibilityTimeout", "1")},
		{name: "visibility shorter than images take", codes: []string{"queue-visibility"}, says: "took 12 s", do: func(d *deployment) {
			set("VisibilityTimeout", "10")(d)
			d.hears = func(st *doctor.State) { st.Slowest = 12 * time.Second }
		}},
		{name: "kept for an hour", codes: []string{"queue-retention"}, do: set("MessageRetentionPeriod", "3600")},
		{name: "delay", codes: []string{"queue-delay"}, do: set("DelaySeconds", "60")},
		{name: "small messages only", codes: []string{"queue-size"}, do: set("MaximumMessageSize", "1024")},
		{name: "one receive", codes: []string{"queue-receives"}, says: "1", do: func(d *deployment) {
			d.queueAttribute(d.res.QueueURL, "RedrivePolicy", `{"deadLetterTargetArn":"`+d.res.DeadLetterQueueARN+`","maxReceiveCount":1}`)
		}},
	}
}

// again provisions; AWS has a deleted queue's name rest for a minute, these endpoints need not.
func again(d *deployment) { d.provision() }

func deadLetterBreakages() []breakage {
	return []breakage{
		{name: "no redrive policy", codes: []string{"dead-letters-none"}, do: func(d *deployment) { d.queueAttribute(d.res.QueueURL, "RedrivePolicy", "") }},
		{name: "dead-letter queue deleted", codes: []string{"dead-letters-gone"}, do: func(d *deployment) { d.dropQueue(d.res.DeadLetterQueueURL) }, mend: again},
		{name: "another dead-letter queue, deleted", codes: []string{"dead-letters-gone"}, do: func(d *deployment) {
			url := d.newQueue("graveyard", nil)
			d.queueAttribute(d.res.QueueURL, "RedrivePolicy", `{"deadLetterTargetArn":"`+d.arnOf("sqs", "graveyard")+`","maxReceiveCount":"5"}`)
			d.dropQueue(url)
		}},
		{name: "another dead-letter queue", codes: []string{"dead-letters-elsewhere"}, says: "graveyard", do: func(d *deployment) {
			d.newQueue("graveyard", nil)
			d.queueAttribute(d.res.QueueURL, "RedrivePolicy", `{"deadLetterTargetArn":"`+d.arnOf("sqs", "graveyard")+`","maxReceiveCount":"5"}`)
		}},
		{name: "dead-letter queue takes none", codes: []string{"dead-letters-refused"}, do: func(d *deployment) {
			d.queueAttribute(d.res.DeadLetterQueueURL, "RedriveAllowPolicy", `{"redrivePermission":"denyAll"}`)
		}, notMoto: "keeps to a RedriveAllowPolicy only when a redrive policy is set"},
		{name: "dead letters of the queue's own age", codes: []string{"dead-letters-kept"}, do: func(d *deployment) { d.queueAttribute(d.res.DeadLetterQueueURL, "MessageRetentionPeriod", "345600") }},
		{name: "dead-letter queue with a dead-letter queue", codes: []string{"dead-letters-chain"}, do: func(d *deployment) {
			d.newQueue("graveyard", nil)
			d.queueAttribute(d.res.DeadLetterQueueURL, "RedrivePolicy", `{"deadLetterTargetArn":"`+d.arnOf("sqs", "graveyard")+`","maxReceiveCount":"5"}`)
		}},
		{name: "dead-letter queue shared", codes: []string{"dead-letters-shared"}, says: "Other", do: func(d *deployment) {
			d.queueAttribute(d.res.DeadLetterQueueURL, "RedriveAllowPolicy", `{"redrivePermission":"allowAll"}`)
			d.newQueue("Other", map[string]string{"RedrivePolicy": `{"deadLetterTargetArn":"` + d.res.DeadLetterQueueARN + `","maxReceiveCount":"5"}`})
		}, mend: func(d *deployment) {
			d.dropQueue(strings.TrimSuffix(d.res.QueueURL, "ImageApp") + "Other")
		}},
		{name: "dead letters", codes: []string{"dead-letters"}, says: "2 wait", do: func(d *deployment) {
			for range 2 {
				_, err := d.c.SQS.SendMessage(d.t.Context(), &sqs.SendMessageInput{QueueUrl: &d.res.DeadLetterQueueURL, MessageBody: aws.String("{}")})
				d.ok(err)
			}
		}, mend: func(d *deployment) {
			_, err := d.c.SQS.PurgeQueue(d.t.Context(), &sqs.PurgeQueueInput{QueueUrl: &d.res.DeadLetterQueueURL})
			d.ok(err)
		}},
	}
}

func bucketBreakages() []breakage {
	policy := func(effect, action, resource string) string {
		return `{"Version":"2012-10-17","Statement":[{"Sid":"hand","Effect":"` + effect + `","Principal":"*","Action":` + action + `,"Resource":"` + resource + `"}]}`
	}
	return []breakage{
		{name: "results bucket deleted", codes: []string{"bucket-missing"}, do: func(d *deployment) {
			_, err := d.c.S3.DeleteBucket(d.t.Context(), &s3.DeleteBucketInput{Bucket: aws.String(results)})
			d.ok(err)
		}},
		{name: "uploads bucket deleted", codes: []string{"bucket-missing"}, do: func(d *deployment) {
			_, err := d.c.S3.DeleteBucket(d.t.Context(), &s3.DeleteBucketInput{Bucket: aws.String(uploads)})
			d.ok(err)
		}},
		{name: "buckets in another region", codes: []string{"bucket-region", "bucket-region"}, says: "us-east-1", notMoto: "does not say where a bucket is", do: func(d *deployment) { d.o.Region = "eu-west-1"; d.hears = sameTopics(d) },
			mend: func(d *deployment) { d.o.Region, d.hears = "us-east-1", nil }},
		{name: "no CORS on uploads", codes: []string{"bucket-cors"}, says: "POST from http://127.0.0.1:8007", do: func(d *deployment) {
			_, err := d.c.S3.DeleteBucketCors(d.t.Context(), &s3.DeleteBucketCorsInput{Bucket: aws.String(uploads)})
			d.ok(err)
		}},
		{name: "CORS of another page", codes: []string{"bucket-cors"}, do: func(d *deployment) {
			_, err := d.c.S3.PutBucketCors(d.t.Context(), &s3.PutBucketCorsInput{Bucket: aws.String(results), CORSConfiguration: &s3types.CORSConfiguration{
				CORSRules: []s3types.CORSRule{{AllowedOrigins: []string{"https://example.com"}, AllowedMethods: []string{"GET"}}}}})
			d.ok(err)
		}},
		{name: "public access not blocked", codes: []string{"bucket-unblocked"}, do: func(d *deployment) { d.block(uploads, false) }},
		{name: "results open to everybody", codes: []string{"bucket-open", "bucket-unblocked"}, says: "s3:GetObject", do: func(d *deployment) {
			d.block(results, false)
			d.bucketPolicy(results, policy("Allow", `"s3:GetObject"`, "arn:aws:s3:::"+results+"/*"))
		}, mend: func(d *deployment) {
			_, err := d.c.S3.DeleteBucketPolicy(d.t.Context(), &s3.DeleteBucketPolicyInput{Bucket: aws.String(results)})
			d.ok(err)
			d.block(results, true)
		}},
		{name: "policy denies writing results", codes: []string{"bucket-denies", "access-denied"}, says: "s3:PutObject", notMoto: "does not hold requests against policies", do: func(d *deployment) {
			d.bucketPolicy(results, policy("Deny", `["s3:PutObject"]`, "arn:aws:s3:::"+results+"/*"))
		}},
		{name: "policy denies deleting uploads", codes: []string{"bucket-denies", "access-denied"}, says: "s3:DeleteObject", notMoto: "does not hold requests against policies", do: func(d *deployment) {
			d.bucketPolicy(uploads, policy("Deny", `"s3:Delete*"`, "arn:aws:s3:::"+uploads+"/*"))
		}},
		{name: "policy denies a look", codes: []string{"unchecked"}, says: "needs s3:GetBucketCORS", notMoto: "does not hold requests against policies", do: func(d *deployment) {
			d.bucketPolicy(uploads, policy("Deny", `"s3:GetBucketCORS"`, "arn:aws:s3:::"+uploads))
		}, mend: func(d *deployment) {
			_, err := d.c.S3.DeleteBucketPolicy(d.t.Context(), &s3.DeleteBucketPolicyInput{Bucket: aws.String(uploads)})
			d.ok(err)
		}},
		{name: "uploads expire after a day", codes: []string{"bucket-expires"}, says: "after 1 days", do: func(d *deployment) {
			_, err := d.c.S3.PutBucketLifecycleConfiguration(d.t.Context(), &s3.PutBucketLifecycleConfigurationInput{Bucket: aws.String(uploads), LifecycleConfiguration: &s3types.BucketLifecycleConfiguration{
				Rules: []s3types.LifecycleRule{{ID: aws.String("tidy"), Status: "Enabled", Filter: &s3types.LifecycleRuleFilter{Prefix: aws.String("")}, Expiration: &s3types.LifecycleExpiration{Days: aws.Int32(1)}}}}})
			d.ok(err)
		}},
		{name: "versions", codes: []string{"bucket-versions"}, do: func(d *deployment) { d.versions(uploads, "Enabled") }, mend: func(d *deployment) { d.versions(uploads, "Suspended") }},
	}
}

// sameTopics: where everything else is in the region that was asked for.
func sameTopics(*deployment) func(*doctor.State) {
	return func(st *doctor.State) {
		st.UploadTopic, st.CompletionTopic = doctor.Topic{}, doctor.Topic{}
		st.Queue, st.DeadLetters, st.Refused = doctor.Queue{}, doctor.Queue{}, nil
	}
}

func (d *deployment) versions(bucket string, status s3types.BucketVersioningStatus) {
	d.t.Helper()
	_, err := d.c.S3.PutBucketVersioning(d.t.Context(), &s3.PutBucketVersioningInput{Bucket: &bucket, VersioningConfiguration: &s3types.VersioningConfiguration{Status: status}})
	d.ok(err)
}

func tierBreakages() []breakage {
	return []breakage{
		{name: "a dead web instance's queue", codes: []string{"web-queues-left"}, do: func(d *deployment) {
			name := "tintype-web-host-abcdefgh"
			_, err := d.c.SQS.CreateQueue(d.t.Context(), &sqs.CreateQueueInput{QueueName: &name, Tags: map[string]string{"tintype-heartbeat": "1700000000"}})
			d.ok(err)
		}},
		{name: "messages wait for nobody", codes: []string{"app-none"}, says: "messages wait", do: func(d *deployment) {
			for range 2 {
				_, err := d.c.SQS.SendMessage(d.t.Context(), &sqs.SendMessageInput{QueueUrl: &d.res.QueueURL, MessageBody: aws.String("{}")})
				d.ok(err)
			}
			d.hears = func(st *doctor.State) { st.AppsKnown = true }
		}, mend: func(d *deployment) {
			d.hears = func(st *doctor.State) {
				st.AppsKnown, st.Apps = true, []doctor.AppProcess{{ID: "a", Program: "tintype 1", Ready: true}}
			}
		}},
	}
}
