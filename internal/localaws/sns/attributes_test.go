package sns

import (
	"encoding/json"
	"strings"
	"testing"

	awssns "github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/tintype/tintype/internal/localaws/policy"
)

func (e *endpoint) topicAttributes(arn string) map[string]string {
	e.t.Helper()
	out, err := e.api.GetTopicAttributes(e.t.Context(), &awssns.GetTopicAttributesInput{TopicArn: &arn})
	if err != nil {
		e.t.Fatal(err)
	}
	return out.Attributes
}

func (e *endpoint) setTopic(arn, name, value string) error {
	_, err := e.api.SetTopicAttributes(e.t.Context(), &awssns.SetTopicAttributesInput{TopicArn: &arn, AttributeName: &name, AttributeValue: &value})
	return err
}

func TestTopicAttributesAreKeptAndShown(t *testing.T) {
	e := start(t, t.TempDir())
	topic := e.topic("t")
	role := "arn:aws:iam::000000000000:role/logs"
	for name, value := range map[string]string{
		"KmsMasterKeyId": "alias/aws/sns", "TracingConfig": "Active", "SignatureVersion": "2", "HTTPSuccessFeedbackRoleArn": role,
		"SQSFailureFeedbackRoleArn": role, "LambdaSuccessFeedbackSampleRate": "100", "DisplayName": "Display",
	} {
		if err := e.setTopic(topic, name, value); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := e.topicAttributes(topic)[name]; got != value {
			t.Errorf("%s = %q, want %q", name, got, value)
		}
	}
	for name, value := range map[string]string{"LambdaSuccessFeedbackSampleRate": "101", "SQSSuccessFeedbackRoleArn": "x", "ContentBasedDeduplication": "true", "FifoThroughputScope": "Topic", "ArchivePolicy": "{}"} {
		if err := e.setTopic(topic, name, value); code(err) != "InvalidParameter" {
			t.Errorf("%s=%s: %v", name, value, err)
		}
	}
	if err := e.setTopic(topic, "KmsMasterKeyId", ""); err != nil {
		t.Error(err)
	}
	if a := e.topicAttributes(topic); a["KmsMasterKeyId"] != "" || a["SubscriptionsConfirmed"] != "0" {
		t.Errorf("attributes = %v", a)
	}
}

func TestDeliveryPoliciesOfTopics(t *testing.T) {
	e := start(t, t.TempDir())
	topic := e.topic("t")
	const full = `"defaultHealthyRetryPolicy":{"minDelayTarget":20,"maxDelayTarget":20,"numRetries":3,"numMaxDelayRetries":0,"numNoDelayRetries":0,"numMinDelayRetries":0,"backoffFunction":"linear"},"disableSubscriptionOverrides":false`
	const plain = `,"defaultRequestPolicy":{"headerContentType":"text/plain; charset=UTF-8"}`
	for _, c := range []struct{ set, shown, effective string }{
		{`{"http":{"defaultRequestPolicy":{"headerContentType":"application/json"}}}`,
			`{"http":{"disableSubscriptionOverrides":false,"defaultRequestPolicy":{"headerContentType":"application/json"}}}`,
			`{"http":{` + full + `,"defaultRequestPolicy":{"headerContentType":"application/json"}}}`},
		{`{"http": {"defaultHealthyRetryPolicy": {"minDelayTarget": 5, "maxDelayTarget": 6, "numRetries": 1}}}`,
			`{"http":{"defaultHealthyRetryPolicy":{"minDelayTarget":5,"maxDelayTarget":6,"numRetries":1},"disableSubscriptionOverrides":false}}`,
			`{"http":{` + strings.Replace(full, `20,"maxDelayTarget":20,"numRetries":3`, `5,"maxDelayTarget":6,"numRetries":1`, 1) + plain + `}}`},
		{`{"http":{"defaultHealthyRetryPolicy":null}}`, `{"http":{"disableSubscriptionOverrides":false}}`, `{"http":{` + full + plain + `}}`},
		{``, ``, `{"http":{` + full + plain + `}}`},
	} {
		if err := e.setTopic(topic, "DeliveryPolicy", c.set); err != nil {
			t.Errorf("%s: %v", c.set, err)
			continue
		}
		a := e.topicAttributes(topic)
		if a["DeliveryPolicy"] != c.shown || a["EffectiveDeliveryPolicy"] != c.effective {
			t.Errorf("%s is shown as\n%s\n%s\nwant\n%s\n%s", c.set, a["DeliveryPolicy"], a["EffectiveDeliveryPolicy"], c.shown, c.effective)
		}
	}
	retry := func(members string) string { return `{"http":{"defaultHealthyRetryPolicy":{` + members + `}}}` }
	for policy, want := range map[string]string{
		`{"http":{"nope":1}}`:   "unrecognized JSON member: nope",
		`{`:                     "failed to parse JSON. ",
		retry(`"numRetries":1`): "http.defaultHealthyRetryPolicy.minDelayTarget must be specified",
		retry(`"minDelayTarget":0,"maxDelayTarget":0,"numRetries":0`):                            "http.defaultHealthyRetryPolicy.minDelayTarget must be greater than or equal to 1",
		retry(`"minDelayTarget":3,"maxDelayTarget":2,"numRetries":1`):                            "http.defaultHealthyRetryPolicy.maxDelayTarget must be greater than or equal to minDelayTarget",
		retry(`"minDelayTarget":1,"maxDelayTarget":2,"numRetries":101`):                          "http.defaultHealthyRetryPolicy.numRetries must be less than or equal to 100",
		retry(`"minDelayTarget":1,"maxDelayTarget":2,"numRetries":1,"numMaxDelayRetries":2`):     "http.defaultHealthyRetryPolicy.numRetries must be greater than or equal to total",
		retry(`"minDelayTarget":1,"maxDelayTarget":2,"numRetries":1,"backoffFunction":"sudden"`): "http.defaultHealthyRetryPolicy.backoffFunction must be one of",
		retry(`"minDelayTarget":3600,"maxDelayTarget":3600,"numRetries":2`):                      "http.defaultHealthyRetryPolicy: all delays together",
		`{"http":{"defaultThrottlePolicy":{"maxReceivesPerSecond":0}}}`:                          "http.defaultThrottlePolicy.maxReceivesPerSecond must be greater than or equal to 1",
		`{"http":{"defaultRequestPolicy":{"headerContentType":"image/png"}}}`:                    "http.defaultRequestPolicy.headerContentType: image/png is not supported",
	} {
		if err := e.setTopic(topic, "DeliveryPolicy", policy); code(err) != "InvalidParameter" || !strings.Contains(err.Error(), "Invalid parameter: DeliveryPolicy: "+want) {
			t.Errorf("%s: %v, want %s", policy, err, want)
		}
	}
}

func TestDeliveryPoliciesOfSubscriptions(t *testing.T) {
	e := start(t, t.TempDir())
	topic := e.topic("t")
	arn := e.subscribe(topic, "http", "http://127.0.0.1:9/", map[string]string{"DeliveryPolicy": `{"healthyRetryPolicy":{"numRetries":0,"minDelayTarget":1,"maxDelayTarget":1},"throttlePolicy":{"maxReceivesPerSecond":1000}}`})
	get := func() map[string]string {
		out, err := e.api.GetSubscriptionAttributes(t.Context(), &awssns.GetSubscriptionAttributesInput{SubscriptionArn: &arn})
		if err != nil {
			t.Fatal(err)
		}
		return out.Attributes
	}
	if err := e.setTopic(topic, "DeliveryPolicy", `{"http":{"defaultRequestPolicy":{"headerContentType":"application/json"}}}`); err != nil {
		t.Fatal(err)
	}
	const retry = `"healthyRetryPolicy":{"minDelayTarget":1,"maxDelayTarget":1,"numRetries":0,"numMaxDelayRetries":0,"numNoDelayRetries":0,"numMinDelayRetries":0,"backoffFunction":"linear"},"sicklyRetryPolicy":null,"throttlePolicy":{"maxReceivesPerSecond":1000}`
	a := get()
	if want := `{` + retry + `,"requestPolicy":null,"guaranteed":false}`; a["DeliveryPolicy"] != want {
		t.Errorf("policy %s\n  want %s", a["DeliveryPolicy"], want)
	}
	if want := `{` + retry + `,"requestPolicy":{"headerContentType":"application/json"},"guaranteed":false}`; a["EffectiveDeliveryPolicy"] != want {
		t.Errorf("effective %s\n  want %s", a["EffectiveDeliveryPolicy"], want)
	}
	if err := e.setTopic(topic, "DeliveryPolicy", `{"http":{"disableSubscriptionOverrides":true}}`); err != nil {
		t.Fatal(err)
	}
	if got := get()["EffectiveDeliveryPolicy"]; !strings.Contains(got, `"numRetries":3`) || !strings.Contains(got, "text/plain") {
		t.Errorf("overrides are off, and yet: %s", got)
	}
}

func TestPermissions(t *testing.T) {
	e := start(t, t.TempDir())
	topic := e.topic("t")
	add := func(arn, label string, actions ...string) error {
		_, err := e.api.AddPermission(t.Context(), &awssns.AddPermissionInput{TopicArn: &arn, Label: &label, AWSAccountId: []string{"111111111111"}, ActionName: actions})
		return err
	}
	before := e.topicAttributes(topic)["Policy"]
	if err := add(topic, "one", "Publish"); err != nil {
		t.Fatal(err)
	}
	if err := add(topic, "two", "Publish", "Subscribe"); err != nil {
		t.Fatal(err)
	}
	text := e.topicAttributes(topic)["Policy"]
	var doc struct{ Statement []map[string]any }
	if err := json.Unmarshal([]byte(text), &doc); err != nil || policy.Validate(text) != nil || len(doc.Statement) != 3 {
		t.Fatalf("%s: %v", text, err)
	}
	if s := doc.Statement[1]; s["Sid"] != "one" || s["Action"] != "SNS:Publish" || s["Resource"] != topic {
		t.Errorf("statement = %v", s)
	}
	for want, err := range map[string]error{
		"InvalidParameter: Invalid parameter: Statement already exists":                      add(topic, "one", "Publish"),
		"InvalidParameter: Invalid parameter: Policy statement action out of service scope!": add(topic, "three", "Fly"),
		"NotFound: Topic does not exist":                                                     add(topic+"x", "three", "Publish"),
	} {
		if err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	for _, label := range []string{"one", "two", "never"} {
		if _, err := e.api.RemovePermission(t.Context(), &awssns.RemovePermissionInput{TopicArn: &topic, Label: &label}); err != nil {
			t.Error(err)
		}
	}
	var was, is any
	if json.Unmarshal([]byte(before), &was) != nil || json.Unmarshal([]byte(e.topicAttributes(topic)["Policy"]), &is) != nil {
		t.Fatal("a policy is no JSON")
	}
	if a, b := compactJSON(was), compactJSON(is); a != b {
		t.Errorf("after removing all permissions the policy is\n%s, was\n%s", b, a)
	}
}

func TestDataProtectionPoliciesAreKept(t *testing.T) {
	e := start(t, t.TempDir())
	topic := e.topic("t")
	get := func() string {
		out, err := e.api.GetDataProtectionPolicy(t.Context(), &awssns.GetDataProtectionPolicyInput{ResourceArn: &topic})
		if err != nil {
			t.Fatal(err)
		}
		return *out.DataProtectionPolicy
	}
	if got := get(); got != "" {
		t.Errorf("policy of a new topic: %s", got)
	}
	const text = `{"Name":"n","Version":"2021-06-01","Statement":[]}`
	if _, err := e.api.PutDataProtectionPolicy(t.Context(), &awssns.PutDataProtectionPolicyInput{ResourceArn: &topic, DataProtectionPolicy: ptr(text)}); err != nil || get() != text {
		t.Errorf("%s, %v", get(), err)
	}
	if _, err := e.api.PutDataProtectionPolicy(t.Context(), &awssns.PutDataProtectionPolicyInput{ResourceArn: &topic, DataProtectionPolicy: ptr("x")}); code(err) != "InvalidParameter" {
		t.Errorf("no JSON: %v", err)
	}
	if _, err := e.api.GetDataProtectionPolicy(t.Context(), &awssns.GetDataProtectionPolicyInput{ResourceArn: ptr(topic + "x")}); code(err) != "NotFound" {
		t.Errorf("no topic: %v", err)
	}
}

func TestBackoffFunctionsGrowFromTheSmallestToTheLargestDelay(t *testing.T) {
	five, hundred, n := 5, 100, 8
	var sums []float64
	for _, function := range []string{"geometric", "exponential", "arithmetic", "linear"} {
		one := 1
		r := (&retryPolicy{MinDelayTarget: &five, MaxDelayTarget: &hundred, NumRetries: &n, NumNoDelayRetries: &one, NumMinDelayRetries: &one, NumMaxDelayRetries: &one, BackoffFunction: &function}).withDefaults()
		var pauses []float64
		sum := 0.0
		for i := range n {
			pauses = append(pauses, r.pause(i).Seconds())
			sum += pauses[i]
		}
		if pauses[0] != 0 || pauses[1] != 5 || pauses[2] != 5 || pauses[6] < 99.9 || pauses[7] != 100 {
			t.Errorf("%s: %v", function, pauses)
		}
		for i := 3; i < 7; i++ {
			if pauses[i] <= pauses[i-1] {
				t.Errorf("%s: the delays do not grow: %v", function, pauses)
			}
		}
		sums = append(sums, sum)
	}
	if sums[3] <= sums[2] || sums[2] <= sums[0] {
		t.Errorf("all delays together, geometric to linear: %v", sums)
	}
}
