// Package template writes what package declare declares for tools that bring AWS to it:
// a CloudFormation template, and policies as AWS takes them. It is pure.
package template

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/tintype/tintype/internal/provision/declare"
)

// emails is how many addresses a template's parameter may hold: CloudFormation has no
// loop without a macro.
const emails = 5

// CloudFormation is the template. names has the names of queues, topics and buckets; the
// rest of it is what the template's parameters and AWS fill in.
//
// Policies name topics, queues and buckets by ARNs that are made of names, not by
// references: a bucket's notification needs the topic's policy, which needs the bucket's
// ARN, and with references the two would wait for each other.
func CloudFormation(names declare.Spec) []byte {
	s := names
	s.Partition, s.Region, s.Account = "${AWS::Partition}", "${AWS::Region}", "${AWS::AccountId}"
	s.UploadsBucket, s.ResultsBucket = "${NamePrefix}"+names.UploadsBucket, "${NamePrefix}"+names.ResultsBucket
	s.Origins, s.Emails, s.PlainHTTP, s.KMSKey = []string{"origins"}, nil, false, "${KmsKeyArn}"
	s.QueueVisibility = "${QueueVisibilitySeconds}"
	c := &cloudFormation{spec: s, stack: declare.Of(s)}
	var b bytes.Buffer
	b.WriteString(`# The AWS resources of Tintype and the policies of its tiers.
# Written by ` + "`tintype provision --template cloudformation`" + `; a test compares the two. Do not edit.
`)
	write(&b, fields{
		{"AWSTemplateFormatVersion", "2010-09-09"},
		{"Description", "Tintype: buckets, topics, queues, and what its tiers may do with them"},
		{"Parameters", c.parameters()},
		{"Conditions", c.conditions()},
		{"Resources", c.resources()},
		{"Outputs", c.outputs()},
	}, 0)
	return b.Bytes()
}

type cloudFormation struct {
	spec  declare.Spec
	stack declare.Stack
}

func (c *cloudFormation) parameters() fields {
	return fields{
		{"NamePrefix", fields{
			{"Type", "String"}, {"Default", ""}, {"AllowedPattern", "^([a-z0-9][a-z0-9.-]*)?$"}, {"MaxLength", 40},
			{"Description", "Put before both bucket names, which are global: the flag --name-prefix of every command"},
		}},
		{"Origins", fields{
			{"Type", "CommaDelimitedList"}, {"Default", "http://localhost:8007,http://127.0.0.1:8007"},
			{"Description", "Origins (scheme://host:port) that the page is served under; the buckets let them in"},
		}},
		{"Emails", fields{
			{"Type", "String"}, {"Default", ""},
			{"Description", fmt.Sprintf("Up to %d addresses, separated by commas without spaces, to subscribe to both topics; each owner is asked to confirm", emails)},
		}},
		{"KmsKeyArn", fields{
			{"Type", "String"}, {"Default", ""}, {"AllowedPattern", "^(arn:[a-z0-9-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+)?$"},
			{"Description", "KMS key that buckets, topics and queues are encrypted with; its own policy must let S3 and SNS use it (tintype provision --template kms). Empty: keys that AWS manages"},
		}},
		{"QueueVisibilitySeconds", fields{
			{"Type", "Number"}, {"Default", 30}, {"MinValue", 10}, {"MaxValue", 43200},
			{"Description", "For how long a message that was received is kept from others. App tiers extend it; Lambda functions need six times their timeout: 720"},
		}},
		{"TrustedServices", fields{
			{"Type", "CommaDelimitedList"}, {"Default", "ec2.amazonaws.com,ecs-tasks.amazonaws.com"},
			{"Description", "Services that may run the tiers, and so take on their roles"},
		}},
	}
}

// address is the nth of the parameter's addresses, empty where there are fewer. The commas
// that are added make sure that there is an nth part.
func address(n int) tagged {
	padding := ""
	for range emails {
		padding += ","
	}
	return tagged{"!Select", items{n, tagged{"!Split", items{",", "${Emails}" + padding}}}}
}

func hasEmail(n int) string { return "HasEmail" + strconv.Itoa(n+1) }

func (c *cloudFormation) conditions() fields {
	isSet := func(v any) tagged { return tagged{"!Not", items{tagged{"!Equals", items{v, ""}}}} }
	out := fields{{"HasKey", isSet(ref("KmsKeyArn"))}}
	for n := range emails {
		out = append(out, field{hasEmail(n), isSet(address(n))})
	}
	return out
}

// Logical names. Others import what the outputs export, never these.
const (
	logicalUploads    = "UploadsBucket"
	logicalResults    = "ResultsBucket"
	logicalQueue      = "Queue"
	logicalDead       = "DeadLetterQueue"
	logicalUpload     = "UploadTopic"
	logicalCompletion = "CompletionTopic"
)

func resource(name, kind string, more fields, properties fields) field {
	body := fields{{"Type", kind}}
	body = append(body, more...)
	return field{name, append(body, field{"Properties", properties})}
}

func (c *cloudFormation) resources() fields {
	st := c.stack
	out := fields{
		c.queue(logicalDead, st.DeadLetterQueue, nil),
		c.queue(logicalQueue, st.Queue, nil),
		c.topic(logicalUpload, st.UploadTopic),
		c.topic(logicalCompletion, st.CompletionTopic),
		resource(logicalUpload+"Policy", "AWS::SNS::TopicPolicy", nil, fields{{"Topics", items{ref(logicalUpload)}}, {"PolicyDocument", treeOf(st.UploadTopic.Policy)}}),
		resource(logicalCompletion+"Policy", "AWS::SNS::TopicPolicy", nil, fields{{"Topics", items{ref(logicalCompletion)}}, {"PolicyDocument", treeOf(st.CompletionTopic.Policy)}}),
		resource(logicalDead+"Policy", "AWS::SQS::QueuePolicy", nil, fields{{"Queues", items{ref(logicalDead)}}, {"PolicyDocument", treeOf(st.DeadLetterQueue.Policy)}}),
		resource(logicalQueue+"Policy", "AWS::SQS::QueuePolicy", nil, fields{{"Queues", items{ref(logicalQueue)}}, {"PolicyDocument", treeOf(st.Queue.Policy)}}),
		resource("QueueSubscription", "AWS::SNS::Subscription", fields{{"DependsOn", items{logicalQueue + "Policy"}}},
			fields{{"TopicArn", ref(logicalUpload)}, {"Protocol", "sqs"}, {"Endpoint", att(logicalQueue + ".Arn")}}),
	}
	for _, t := range []string{logicalUpload, logicalCompletion} {
		for n := range emails {
			out = append(out, resource(t+"Email"+strconv.Itoa(n+1), "AWS::SNS::Subscription", fields{{"Condition", hasEmail(n)}},
				fields{{"TopicArn", ref(t)}, {"Protocol", "email"}, {"Endpoint", address(n)}}))
		}
	}
	out = append(out,
		// S3 tries to publish before it takes the notification.
		c.bucket(logicalUploads, st.Uploads, fields{{"DependsOn", items{logicalUpload + "Policy"}}}, field{"NotificationConfiguration", fields{
			{"TopicConfigurations", items{fields{{"Event", st.Notification.Events[0]}, {"Topic", ref(logicalUpload)}}}},
		}}),
		c.bucket(logicalResults, st.Results, nil),
		resource(logicalUploads+"Policy", "AWS::S3::BucketPolicy", nil, fields{{"Bucket", ref(logicalUploads)}, {"PolicyDocument", treeOf(st.Uploads.Policy)}}),
		resource(logicalResults+"Policy", "AWS::S3::BucketPolicy", nil, fields{{"Bucket", ref(logicalResults)}, {"PolicyDocument", treeOf(st.Results.Policy)}}),
	)
	return append(out, c.roles()...)
}

func tags(t map[string]string) items {
	var out items
	for _, k := range slices.Sorted(maps.Keys(t)) {
		out = append(out, fields{{"Key", k}, {"Value", t[k]}})
	}
	return out
}

func (c *cloudFormation) queue(name string, q declare.Queue, more fields) field {
	p := fields{{"QueueName", q.Name}}
	for _, attr := range slices.Sorted(maps.Keys(q.Attributes)) {
		v := q.Attributes[attr]
		switch attr {
		case "RedrivePolicy":
			p = append(p, field{attr, fields{{"deadLetterTargetArn", att(logicalDead + ".Arn")}, {"maxReceiveCount", declare.MaxReceiveCount}}})
		case "RedriveAllowPolicy":
			p = append(p, field{attr, treeOf(rawJSON(v))})
		case "KmsMasterKeyId":
			p = append(p, field{attr, ifKey(ref("KmsKeyArn"), noValue())},
				field{"SqsManagedSseEnabled", ifKey(noValue(), true)})
		case "VisibilityTimeout":
			p = append(p, field{attr, ref("QueueVisibilitySeconds")})
		default:
			n, err := strconv.Atoi(v)
			if err != nil {
				panic(fmt.Sprintf("template: the attribute %s is no number: %q", attr, v))
			}
			p = append(p, field{attr, n})
		}
	}
	return resource(name, "AWS::SQS::Queue", more, append(p, field{"Tags", tags(q.Tags)}))
}

func (c *cloudFormation) topic(name string, t declare.Topic) field {
	return resource(name, "AWS::SNS::Topic", nil, fields{
		{"TopicName", t.Name}, {"KmsMasterKeyId", ifKey(ref("KmsKeyArn"), noValue())}, {"Tags", tags(t.Tags)},
	})
}

func (c *cloudFormation) bucket(name string, b declare.Bucket, more fields, also ...field) field {
	// What people put in outlives the stack.
	more = append(fields{{"DeletionPolicy", "Retain"}, {"UpdateReplacePolicy", "Retain"}}, more...)
	var rules, cors items
	for _, r := range b.Lifecycle {
		f := fields{{"Id", r.ID}, {"Status", "Enabled"}}
		if r.Prefix != "" {
			f = append(f, field{"Prefix", r.Prefix})
		}
		if r.ExpireDays > 0 {
			f = append(f, field{"ExpirationInDays", r.ExpireDays})
		}
		if r.AbortUploadsDays > 0 {
			f = append(f, field{"AbortIncompleteMultipartUpload", fields{{"DaysAfterInitiation", r.AbortUploadsDays}}})
		}
		rules = append(rules, f)
	}
	for _, r := range b.CORS {
		cors = append(cors, fields{
			{"Id", r.ID}, {"AllowedOrigins", ref("Origins")}, {"AllowedMethods", list(r.Methods)}, {"AllowedHeaders", list(r.Headers)},
			{"ExposedHeaders", list(r.Expose)}, {"MaxAge", r.MaxAge},
		})
	}
	rule := func(f fields, key bool) fields {
		out := fields{{"ServerSideEncryptionByDefault", f}}
		if key {
			out = append(out, field{"BucketKeyEnabled", true})
		}
		return out
	}
	p := fields{
		{"BucketName", b.Name},
		{"PublicAccessBlockConfiguration", fields{{"BlockPublicAcls", true}, {"BlockPublicPolicy", true}, {"IgnorePublicAcls", true}, {"RestrictPublicBuckets", true}}},
		{"BucketEncryption", fields{{"ServerSideEncryptionConfiguration", items{ifKey(
			rule(fields{{"SSEAlgorithm", "aws:kms"}, {"KMSMasterKeyID", ref("KmsKeyArn")}}, true),
			rule(fields{{"SSEAlgorithm", "AES256"}}, false))}}}},
		{"CorsConfiguration", fields{{"CorsRules", cors}}},
		{"LifecycleConfiguration", fields{{"Rules", rules}}},
	}
	p = append(p, also...)
	return resource(name, "AWS::S3::Bucket", more, append(p, field{"Tags", tags(b.Tags)}))
}

func list(in []string) (out items) {
	for _, s := range in {
		out = append(out, s)
	}
	return out
}
