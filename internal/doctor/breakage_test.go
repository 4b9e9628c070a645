package doctor_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/tintype/tintype/internal/awstest"
	"github.com/tintype/tintype/internal/doctor"
	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/provision"
)

// deployment is a real one, made by provision.
type deployment struct {
	t        *testing.T
	endpoint string
	c        doctor.Clients
	res      provision.Resources
	o        doctor.Options
	// hears gives the state what its caller would have found out.
	hears func(*doctor.State)
}

func clientsOf(endpoint string) doctor.Clients {
	cfg := awstest.Config(endpoint)
	return doctor.Clients{
		S3:  s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true }),
		SQS: sqs.NewFromConfig(cfg), SNS: sns.NewFromConfig(cfg),
	}
}

func spec() provision.Spec {
	return provision.Spec{
		Region: awstest.Region, UploadsBucket: "tintype-uploads", ResultsBucket: "tintype-results",
		Queue: "ImageApp", DeadLetterQueue: "ImageApp-dlq", UploadTopic: "uploadnotification", CompletionTopic: "processingnotification",
		Origins: []string{"http://127.0.0.1:8007", "http://localhost:8007"}, PlainHTTP: true,
	}
}

func options(s provision.Spec) doctor.Options {
	return doctor.Options{
		Region: s.Region, Uploads: s.UploadsBucket, Results: s.ResultsBucket, Queue: s.Queue, DeadLetterQueue: s.DeadLetterQueue,
		UploadTopic: s.UploadTopic, CompletionTopic: s.CompletionTopic, Origins: s.Origins, WebQueuePrefix: "tintype-web-", Tier: doctor.All,
	}
}

func deploy(t *testing.T, endpoint string) *deployment {
	d := &deployment{t: t, endpoint: endpoint, c: clientsOf(endpoint), o: options(spec())}
	d.provision()
	return d
}

func (d *deployment) provision() {
	d.t.Helper()
	res, _, err := provision.Ensure(d.t.Context(), provision.Clients{S3: d.c.S3, SNS: d.c.SNS, SQS: d.c.SQS}, spec())
	d.ok(err)
	d.res = res
}

func (d *deployment) ok(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatalf("%v (hint: %s)", err, fault.HintOf(err))
	}
}

// look returns what is found, and the codes of it in order.
func (d *deployment) look() (all []doctor.Finding, codes []string) {
	d.t.Helper()
	st := doctor.Look(d.t.Context(), d.c, d.o)
	if d.hears != nil {
		d.hears(st)
	}
	for _, f := range doctor.Judge(d.o, st) {
		if f.Code != "" {
			all, codes = append(all, f), append(codes, f.Code)
		}
	}
	slices.Sort(codes)
	return all, codes
}

func (d *deployment) queueAttribute(url, name, value string) {
	d.t.Helper()
	_, err := d.c.SQS.SetQueueAttributes(d.t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{name: value}})
	d.ok(err)
}

func (d *deployment) newQueue(name string, attributes map[string]string) (url string) {
	d.t.Helper()
	out, err := d.c.SQS.CreateQueue(d.t.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	d.ok(err)
	return aws.ToString(out.QueueUrl)
}

func (d *deployment) dropQueue(url string) {
	d.t.Helper()
	_, err := d.c.SQS.DeleteQueue(d.t.Context(), &sqs.DeleteQueueInput{QueueUrl: &url})
	d.ok(err)
}

// arnOf is the ARN of a queue or topic beside the work queue.
func (d *deployment) arnOf(service, name string) string {
	return "arn:aws:" + service + ":" + awstest.Region + ":" + d.res.Account + ":" + name
}

func (d *deployment) topicPolicy(text string) {
	d.t.Helper()
	_, err := d.c.SNS.SetTopicAttributes(d.t.Context(), &sns.SetTopicAttributesInput{TopicArn: &d.res.UploadTopicARN, AttributeName: aws.String("Policy"), AttributeValue: &text})
	d.ok(err)
}

func (d *deployment) readTopicPolicy() string {
	d.t.Helper()
	a, err := d.c.SNS.GetTopicAttributes(d.t.Context(), &sns.GetTopicAttributesInput{TopicArn: &d.res.UploadTopicARN})
	d.ok(err)
	return a.Attributes["Policy"]
}

func (d *deployment) readQueuePolicy() string {
	d.t.Helper()
	a, err := d.c.SQS.GetQueueAttributes(d.t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &d.res.QueueURL, AttributeNames: []sqstypesName{"Policy"}})
	d.ok(err)
	return a.Attributes["Policy"]
}

// with adds a statement to a policy.
func with(policy, statement string) string {
	i := strings.LastIndex(policy, "]")
	return policy[:i] + "," + statement + policy[i:]
}

func (d *deployment) subscriptions(topic string) []string {
	d.t.Helper()
	out, err := d.c.SNS.ListSubscriptionsByTopic(d.t.Context(), &sns.ListSubscriptionsByTopicInput{TopicArn: &topic})
	d.ok(err)
	var arns []string
	for _, s := range out.Subscriptions {
		arns = append(arns, aws.ToString(s.SubscriptionArn))
	}
	return arns
}

func (d *deployment) subscribe(topic, protocol, endpoint string) {
	d.t.Helper()
	_, err := d.c.SNS.Subscribe(d.t.Context(), &sns.SubscribeInput{TopicArn: &topic, Protocol: &protocol, Endpoint: &endpoint})
	d.ok(err)
}

func (d *deployment) subscriptionAttribute(name, value string) {
	d.t.Helper()
	_, err := d.c.SNS.SetSubscriptionAttributes(d.t.Context(), &sns.SetSubscriptionAttributesInput{
		SubscriptionArn: &d.subscriptions(d.res.UploadTopicARN)[0], AttributeName: &name, AttributeValue: &value})
	d.ok(err)
}

func (d *deployment) notify(bucket string, conf *s3types.NotificationConfiguration) {
	d.t.Helper()
	_, err := d.c.S3.PutBucketNotificationConfiguration(d.t.Context(), &s3.PutBucketNotificationConfigurationInput{Bucket: &bucket, NotificationConfiguration: conf})
	d.ok(err)
}

// topicConf is a notification configuration of uploads to a topic.
func topicConf(topic string, filter map[string]string, events ...s3types.Event) *s3types.NotificationConfiguration {
	c := s3types.TopicConfiguration{Id: aws.String("by-hand"), TopicArn: &topic, Events: events}
	if filter != nil {
		c.Filter = &s3types.NotificationConfigurationFilter{Key: &s3types.S3KeyFilter{}}
		for k, v := range filter {
			c.Filter.Key.FilterRules = append(c.Filter.Key.FilterRules, s3types.FilterRule{Name: s3types.FilterRuleName(k), Value: aws.String(v)})
		}
	}
	return &s3types.NotificationConfiguration{TopicConfigurations: []s3types.TopicConfiguration{c}}
}

func (d *deployment) bucketPolicy(bucket, text string) {
	d.t.Helper()
	_, err := d.c.S3.PutBucketPolicy(d.t.Context(), &s3.PutBucketPolicyInput{Bucket: &bucket, Policy: &text})
	d.ok(err)
}

// block switches the whole block of public access on or off.
func (d *deployment) block(bucket string, on bool) {
	d.t.Helper()
	_, err := d.c.S3.PutPublicAccessBlock(d.t.Context(), &s3.PutPublicAccessBlockInput{Bucket: &bucket, PublicAccessBlockConfiguration: &s3types.PublicAccessBlockConfiguration{
		BlockPublicAcls: &on, IgnorePublicAcls: &on, BlockPublicPolicy: &on, RestrictPublicBuckets: &on}})
	d.ok(err)
}

// typed runs a command as a person would who has set up the environment for the endpoint.
func (d *deployment) typed(command string) {
	d.t.Helper()
	ctx, cancel := context.WithCancel(d.t.Context())
	defer cancel()
	// Version 1 of the CLI has to be told where the endpoint is.
	cmd := exec.CommandContext(ctx, "bash", "-euc", `aws() { command aws --endpoint-url "$AWS_ENDPOINT_URL" "$@"; }`+"\n"+command)
	cmd.Env = append(os.Environ(), "AWS_ENDPOINT_URL="+d.endpoint, "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_REGION="+awstest.Region, "AWS_DEFAULT_REGION="+awstest.Region, "AWS_PAGER=")
	if out, err := cmd.CombinedOutput(); err != nil {
		d.t.Fatalf("the command that the finding names fails: %v\n%s\n%s", err, command, out)
	}
}

// mend does what a finding names, where it names a command. done is false where it does not,
// or where the program for it is not installed.
func (d *deployment) mend(f doctor.Finding) (done bool) {
	d.t.Helper()
	switch {
	case f.Provision:
		d.provision()
	case strings.HasPrefix(f.Command, "aws "):
		if _, err := exec.LookPath("aws"); err != nil {
			return false
		}
		d.typed(f.Command)
	default:
		return false
	}
	return true
}

// clean fails where anything at all is found.
func (d *deployment) clean() {
	d.t.Helper()
	if all, _ := d.look(); len(all) > 0 {
		d.t.Fatalf("found of a deployment with which nothing is wrong:\n%s", describe(all))
	}
}

func describe(all []doctor.Finding) string {
	var b strings.Builder
	for _, f := range all {
		fmt.Fprintf(&b, "  %s %s: %s: %s [%s; %s]\n", f.Level.Mark(), f.Code, f.Resource, f.Found, f.Mend, f.Command)
	}
	return b.String()
}

// TestNothingWrong: of a deployment as provision makes it nothing is found.
func TestNothingWrong(t *testing.T) {
	awstest.Each(t, func(t *testing.T, endpoint string) { deploy(t, endpoint).clean() })
}

// TestBreakages breaks a real deployment in every way that people do, by the calls that
// they would make, and reads what is found: that, and nothing else. Then it does what the
// finding names, and nothing is found any more.
func TestBreakages(t *testing.T) {
	awstest.Each(t, func(t *testing.T, endpoint string) {
		shared := strings.HasSuffix(t.Name(), "moto") // starting one for each case would take minutes
		for i, b := range breakages() {
			if shared && i%4 != 0 && os.Getenv("TINTYPE_TEST_MOTO") != "all" {
				continue // moto is slow; TINTYPE_TEST_MOTO=all tries each
			}
			t.Run(b.name, func(t *testing.T) {
				at := endpoint
				if !shared {
					at = fresh(t)
				} else if b.notMoto != "" {
					t.Skip("moto: " + b.notMoto)
				} else {
					forgetAll(t, endpoint)
				}
				d := deploy(t, at)
				if !shared {
					d.clean()
				}
				b.do(d)
				all, codes := d.look()
				if shared && !slices.Contains(b.codes, "queue-closed") { // moto forgets a queue's policy when another attribute is set
					codes = slices.DeleteFunc(codes, func(c string) bool { return c == "queue-closed" })
				}
				want := slices.Clone(b.codes)
				slices.Sort(want)
				if !slices.Equal(codes, want) {
					t.Fatalf("found %v, want %v:\n%s", codes, want, describe(all))
				}
				main := all[slices.IndexFunc(all, func(f doctor.Finding) bool { return f.Code == b.codes[0] })]
				if main.Why == "" || main.Found == "" && main.Level != doctor.Info {
					t.Errorf("%+v says too little", main)
				}
				if b.says != "" && !strings.Contains(main.Found, b.says) {
					t.Errorf("found %q, want it to say %q", main.Found, b.says)
				}
				if shared {
					return // the mends are the same commands
				}
				switch {
				case b.mend != nil:
					b.mend(d)
				case !d.mend(main):
					if main.Command == "" {
						t.Fatalf("no command is named, and the test knows no mend: %+v", main)
					}
					t.Skip("the command that mends it is not installed: " + main.Command)
				}
				if all, _ := d.look(); len(all) > 0 {
					t.Errorf("after the mend (%s%s):\n%s", main.Mend, main.Command, describe(all))
				}
			})
		}
	})
}

// forgetAll empties moto.
func forgetAll(t *testing.T, endpoint string) {
	t.Helper()
	u, err := url.JoinPath(endpoint, "moto-api", "reset")
	if err != nil {
		t.Fatal(err)
	}
	post(t, u)
}
