package sns

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	awssns "github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"

	"github.com/tintype/tintype/internal/localaws/policy"
)

func TestTopics(t *testing.T) {
	e := start(t, t.TempDir())
	ctx := t.Context()
	tags := []types.Tag{{Key: ptr("team"), Value: ptr("photo")}}
	create := func(in awssns.CreateTopicInput) (string, error) {
		out, err := e.api.CreateTopic(ctx, &in)
		if err != nil {
			return "", err
		}
		return *out.TopicArn, nil
	}
	arn, err := create(awssns.CreateTopicInput{Name: ptr("uploads"), Attributes: map[string]string{"DisplayName": "Uploads", "FifoTopic": "false"}, Tags: tags})
	if err != nil || arn != "arn:aws:sns:us-east-1:000000000000:uploads" {
		t.Fatalf("%s, %v", arn, err)
	}
	for _, again := range []awssns.CreateTopicInput{
		{Name: ptr("uploads")},
		{Name: ptr("uploads"), Attributes: map[string]string{"DisplayName": "Uploads"}, Tags: tags},
	} {
		if got, err := create(again); got != arn || err != nil {
			t.Errorf("created again: %s, %v", got, err)
		}
	}
	for name, bad := range map[string]awssns.CreateTopicInput{
		"other attributes": {Name: ptr("uploads"), Attributes: map[string]string{"DisplayName": "x"}},
		"other tags":       {Name: ptr("uploads"), Tags: []types.Tag{{Key: ptr("a"), Value: ptr("b")}}},
		"fifo":             {Name: ptr("a"), Attributes: map[string]string{"FifoTopic": "true"}},
		"fifo's name":      {Name: ptr("a.fifo")},
		"dedup":            {Name: ptr("k"), Attributes: map[string]string{"ContentBasedDeduplication": "true"}},
		"archive":          {Name: ptr("k.fifo"), Attributes: map[string]string{"FifoTopic": "true", "ArchivePolicy": `{"MessageRetentionPeriod":"1"}`}},
		"name":             {Name: ptr("a b")},
		"no name":          {Name: ptr("")},
		"long name":        {Name: ptr(strings.Repeat("a", 257))},
		"delivery policy":  {Name: ptr("k"), Attributes: map[string]string{"DeliveryPolicy": `{"http":{"x":1}}`}},
		"logging":          {Name: ptr("k"), Attributes: map[string]string{"SQSSuccessFeedbackRoleArn": "role/x"}},
		"unknown":          {Name: ptr("k"), Attributes: map[string]string{"Colour": "red"}},
		"policy":           {Name: ptr("k"), Attributes: map[string]string{"Policy": "{}"}},
		"tag":              {Name: ptr("k"), Tags: []types.Tag{{Key: ptr("aws:x"), Value: ptr("y")}}},
	} {
		if got, err := create(bad); code(err) != "InvalidParameter" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}

	out, err := e.api.GetTopicAttributes(ctx, &awssns.GetTopicAttributesInput{TopicArn: &arn})
	if err != nil {
		t.Fatal(err)
	}
	a := out.Attributes
	if a["TopicArn"] != arn || a["Owner"] != account || a["DisplayName"] != "Uploads" || a["SubscriptionsConfirmed"] != "0" || a["EffectiveDeliveryPolicy"] == "" {
		t.Errorf("attributes = %v", a)
	}
	if err := policy.Validate(a["Policy"]); err != nil || !strings.Contains(a["Policy"], "__default_policy_ID") {
		t.Errorf("default policy %s: %v", a["Policy"], err)
	}
	set := func(name, value string) error {
		_, err := e.api.SetTopicAttributes(ctx, &awssns.SetTopicAttributesInput{TopicArn: &arn, AttributeName: &name, AttributeValue: &value})
		return err
	}
	if err := set("DisplayName", "New"); err != nil {
		t.Error(err)
	}
	for name, value := range map[string]string{"Policy": `{"Statement":[]}`, "SignatureVersion": "3", "DisplayName": "a\nb", "TracingConfig": "Loud", "Owner": "x", "FifoTopic": "false"} {
		if err := set(name, value); code(err) != "InvalidParameter" {
			t.Errorf("%s=%q: %v", name, value, err)
		}
	}

	if _, err := e.api.TagResource(ctx, &awssns.TagResourceInput{ResourceArn: &arn, Tags: []types.Tag{{Key: ptr("team"), Value: ptr("web")}, {Key: ptr("x"), Value: ptr("")}}}); err != nil {
		t.Error(err)
	}
	if _, err := e.api.UntagResource(ctx, &awssns.UntagResourceInput{ResourceArn: &arn, TagKeys: []string{"x", "y"}}); err != nil {
		t.Error(err)
	}
	var many []types.Tag
	for i := range 51 {
		many = append(many, types.Tag{Key: ptr(fmt.Sprint("k", i)), Value: ptr("v")})
	}
	if _, err := e.api.TagResource(ctx, &awssns.TagResourceInput{ResourceArn: &arn, Tags: many[:50]}); code(err) != "TagLimitExceeded" {
		t.Errorf("51 tags: %v", err)
	}
	got, err := e.api.ListTagsForResource(ctx, &awssns.ListTagsForResourceInput{ResourceArn: &arn})
	if err != nil || len(got.Tags) != 1 || *got.Tags[0].Value != "web" {
		t.Errorf("tags = %v, %v", got, err)
	}
	if _, err := e.api.ListTagsForResource(ctx, &awssns.ListTagsForResourceInput{ResourceArn: ptr(arn + "x")}); code(err) != "ResourceNotFound" {
		t.Errorf("tags of nothing: %v", err)
	}

	for range 2 {
		if _, err := e.api.DeleteTopic(ctx, &awssns.DeleteTopicInput{TopicArn: &arn}); err != nil {
			t.Error(err)
		}
	}
	if _, err := e.api.GetTopicAttributes(ctx, &awssns.GetTopicAttributesInput{TopicArn: &arn}); code(err) != "NotFound" {
		t.Errorf("a deleted topic: %v", err)
	}
	if _, err := e.api.GetTopicAttributes(ctx, &awssns.GetTopicAttributesInput{TopicArn: ptr("uploads")}); code(err) != "InvalidParameter" {
		t.Errorf("no ARN: %v", err)
	}
}

func TestListsArePaged(t *testing.T) {
	e := start(t, t.TempDir())
	for i := range 101 {
		e.topic(fmt.Sprintf("t%03d", i))
	}
	topic := e.topic("t000")
	for i := range 101 {
		e.subscribe(topic, "email", fmt.Sprintf("user%d@example.com", i), nil)
	}
	var topics, subs, all int
	for p := awssns.NewListTopicsPaginator(e.api, &awssns.ListTopicsInput{}); p.HasMorePages(); {
		page, err := p.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		topics += len(page.Topics)
	}
	for p := awssns.NewListSubscriptionsByTopicPaginator(e.api, &awssns.ListSubscriptionsByTopicInput{TopicArn: &topic}); p.HasMorePages(); {
		page, err := p.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		subs += len(page.Subscriptions)
	}
	for p := awssns.NewListSubscriptionsPaginator(e.api, &awssns.ListSubscriptionsInput{}); p.HasMorePages(); {
		page, err := p.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		all += len(page.Subscriptions)
		if got := *page.Subscriptions[0].SubscriptionArn; got != "PendingConfirmation" {
			t.Errorf("a pending subscription is listed as %s", got)
		}
	}
	if topics != 101 || subs != 101 || all != 101 {
		t.Errorf("%d topics, %d and %d subscriptions; want 101 each", topics, subs, all)
	}
	if _, err := e.api.ListTopics(t.Context(), &awssns.ListTopicsInput{NextToken: ptr("%")}); code(err) != "InvalidParameter" {
		t.Errorf("a bad token: %v", err)
	}
}

func TestSubscriptions(t *testing.T) {
	e := start(t, t.TempDir())
	ctx := t.Context()
	topic := e.topic("t")
	_, queue := e.queue("q", topic)
	arn := e.subscribe(topic, "sqs", queue, map[string]string{"RawMessageDelivery": "true"})
	if again := e.subscribe(topic, "sqs", queue, map[string]string{"RawMessageDelivery": "true"}); again != arn {
		t.Errorf("subscribed again: %s, want %s", again, arn)
	}
	if again := e.subscribe(topic, "sqs", queue, nil); again != arn {
		t.Errorf("subscribed again without attributes: %s, want %s", again, arn)
	}
	subscribe := func(protocol, endpoint string, attrs map[string]string) error {
		_, err := e.api.Subscribe(ctx, &awssns.SubscribeInput{TopicArn: &topic, Protocol: &protocol, Endpoint: &endpoint, Attributes: attrs})
		return err
	}
	for _, bad := range []struct {
		protocol, endpoint string
		attrs              map[string]string
	}{
		{"sqs", queue, map[string]string{"RawMessageDelivery": "false"}}, // exists with others
		{"sqs", "q", nil}, {"sqs", "arn:aws:sqs:eu-west-1:000000000000:q", nil}, {"sqs", "arn:aws:sqs:us-east-1:111111111111:q", nil},
		{"sqs", queue + ".fifo", nil}, {"email", "anna", nil}, {"email", "a@b.cc\r\nBcc: e@b.cc", nil},
		{"email", "a@b.cc", map[string]string{"RawMessageDelivery": "true"}}, {"http", "https://a.bc/", nil}, {"https", "ftp://x", nil}, {"http", "http://", nil},
		{"lambda", "arn:aws:lambda:us-east-1:000000000000:function:f", nil}, {"sms", "+491234", nil}, {"application", "x", nil}, {"firehose", "x", nil}, {"pigeon", "x", nil},
		{"email", "a@b.cc", map[string]string{"FilterPolicy": "x"}}, {"email", "a@b.cc", map[string]string{"FilterPolicyScope": "Everything"}},
		{"email", "a@b.cc", map[string]string{"FilterPolicy": `{"a":{"b":["c"]}}`}}, {"email", "a@b.cc", map[string]string{"DeliveryPolicy": `{"guaranteed":false}`}},
		{"email", "a@b.cc", map[string]string{"RedrivePolicy": `{"deadLetterTargetArn":"x"}`}}, {"email", "a@b.cc", map[string]string{"Colour": "red"}},
	} {
		if err := subscribe(bad.protocol, bad.endpoint, bad.attrs); code(err) != "InvalidParameter" {
			t.Errorf("%s %q %v: %v", bad.protocol, bad.endpoint, bad.attrs, err)
		}
	}
	if _, err := e.api.Subscribe(ctx, &awssns.SubscribeInput{TopicArn: ptr(topic + "x"), Protocol: ptr("email"), Endpoint: ptr("a@b.cc")}); code(err) != "NotFound" {
		t.Errorf("no such topic: %v", err)
	}

	set := func(name, value string) error {
		_, err := e.api.SetSubscriptionAttributes(ctx, &awssns.SetSubscriptionAttributesInput{SubscriptionArn: &arn, AttributeName: &name, AttributeValue: &value})
		return err
	}
	get := func() map[string]string {
		out, err := e.api.GetSubscriptionAttributes(ctx, &awssns.GetSubscriptionAttributesInput{SubscriptionArn: &arn})
		if err != nil {
			t.Fatal(err)
		}
		return out.Attributes
	}
	for name, value := range map[string]string{"RawMessageDelivery": "FALSE", "FilterPolicy": `{"a":["b"]}`, "RedrivePolicy": `{"deadLetterTargetArn":"` + queue + `"}`} {
		if err := set(name, value); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	a := get()
	for name, want := range map[string]string{
		"SubscriptionArn": arn, "TopicArn": topic, "Protocol": "sqs", "Endpoint": queue, "Owner": account, "RawMessageDelivery": "false",
		"PendingConfirmation": "false", "ConfirmationWasAuthenticated": "true", "FilterPolicy": `{"a":["b"]}`, "FilterPolicyScope": "MessageAttributes",
	} {
		if a[name] != want {
			t.Errorf("%s = %q, want %q", name, a[name], want)
		}
	}
	if err := set("FilterPolicy", "{}"); err != nil || get()["FilterPolicy"] != "" {
		t.Errorf("an empty filter: %v, %v", err, get())
	}
	if err := set("FilterPolicy", `{"a":"b"}`); code(err) != "InvalidParameter" || get()["FilterPolicy"] != "" {
		t.Errorf("a bad filter: %v, %v", err, get())
	}
	for range 2 {
		if _, err := e.api.Unsubscribe(ctx, &awssns.UnsubscribeInput{SubscriptionArn: &arn}); err != nil {
			t.Error(err)
		}
	}
	if err := set("RawMessageDelivery", "true"); code(err) != "NotFound" {
		t.Errorf("a subscription that is gone: %v", err)
	}
	if _, err := e.api.Unsubscribe(ctx, &awssns.UnsubscribeInput{SubscriptionArn: ptr("PendingConfirmation")}); code(err) != "InvalidParameter" {
		t.Errorf("no ARN: %v", err)
	}
}

func TestPublishRefusesWhatAWSRefuses(t *testing.T) {
	e := start(t, t.TempDir())
	topic := e.topic("t")
	queue, arn := e.queue("q", topic)
	e.subscribe(topic, "sqs", arn, nil)
	attrs := func(name, kind, value string) map[string]types.MessageAttributeValue {
		return map[string]types.MessageAttributeValue{name: attr(kind, value)}
	}
	for name, c := range map[string]struct {
		in   awssns.PublishInput
		want string
	}{
		"largest":        {awssns.PublishInput{Message: ptr(strings.Repeat("x", maxMessage))}, ""},
		"too long":       {awssns.PublishInput{Message: ptr(strings.Repeat("x", maxMessage+1))}, "InvalidParameter"},
		"with attribute": {awssns.PublishInput{Message: ptr(strings.Repeat("x", maxMessage)), MessageAttributes: attrs("a", "String", "b")}, "InvalidParameter"},
		"empty":          {awssns.PublishInput{Message: ptr("")}, "InvalidParameter"},
		"subject":        {awssns.PublishInput{Message: ptr("m"), Subject: ptr(strings.Repeat("ä", 100))}, ""},
		"long subject":   {awssns.PublishInput{Message: ptr("m"), Subject: ptr(strings.Repeat("a", 101))}, "InvalidParameter"},
		"lines":          {awssns.PublishInput{Message: ptr("m"), Subject: ptr("a\r\nBcc: e@x.yz")}, "InvalidParameter"},
		"structure":      {awssns.PublishInput{Message: ptr("m"), MessageStructure: ptr("xml")}, "InvalidParameter"},
		"phone":          {awssns.PublishInput{Message: ptr("m"), PhoneNumber: ptr("+49123")}, "InvalidParameter"},
		"dedup":          {awssns.PublishInput{Message: ptr("m"), MessageDeduplicationId: ptr("d")}, "InvalidParameter"},
		"group":          {awssns.PublishInput{Message: ptr("m"), MessageGroupId: ptr("a b")}, "InvalidParameter"},
		"fair group":     {awssns.PublishInput{Message: ptr("m"), MessageGroupId: ptr("tenant-1")}, ""},
		"type":           {awssns.PublishInput{Message: ptr("m"), MessageAttributes: attrs("a", "Text", "b")}, "ParameterValueInvalid"},
		"name":           {awssns.PublishInput{Message: ptr("m"), MessageAttributes: attrs("a..b", "String", "b")}, "ParameterValueInvalid"},
		"reserved":       {awssns.PublishInput{Message: ptr("m"), MessageAttributes: attrs("AWS.x", "String", "b")}, "ParameterValueInvalid"},
		"number":         {awssns.PublishInput{Message: ptr("m"), MessageAttributes: attrs("a", "Number", "b")}, "ParameterValueInvalid"},
		"array":          {awssns.PublishInput{Message: ptr("m"), MessageAttributes: attrs("a", "String.Array", `{}`)}, ""},
		"no topic":       {awssns.PublishInput{Message: ptr("m"), TopicArn: ptr(topic + "x")}, "NotFound"},
		"target":         {awssns.PublishInput{Message: ptr("m"), TargetArn: &topic}, ""},
		"both":           {awssns.PublishInput{Message: ptr("m"), TargetArn: &topic, TopicArn: &topic}, "InvalidParameter"},
		"no subject":     {awssns.PublishInput{Message: ptr("m"), Subject: ptr("")}, "InvalidParameter"},
		"other region":   {awssns.PublishInput{Message: ptr("m"), TopicArn: ptr("arn:aws:sns:eu-west-1:000000000000:t")}, "InvalidParameter"},
		"phone endpoint": {awssns.PublishInput{Message: ptr("m"), TargetArn: ptr("arn:aws:sns:us-east-1:000000000000:endpoint/APNS/a/b")}, "InvalidParameter"},
	} {
		if c.in.TopicArn == nil && c.in.PhoneNumber == nil && c.in.TargetArn == nil {
			c.in.TopicArn = &topic
		}
		_, err := e.api.Publish(t.Context(), &c.in)
		if code(err) != c.want {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if got := e.receive(queue); len(got) != 5 {
		t.Errorf("%d messages arrived, want 5", len(got))
	}
}

func TestPublishBatch(t *testing.T) {
	e := start(t, t.TempDir())
	topic := e.topic("t")
	queue, arn := e.queue("q", topic)
	e.subscribe(topic, "sqs", arn, map[string]string{"RawMessageDelivery": "true"})
	batch := func(entries ...types.PublishBatchRequestEntry) (*awssns.PublishBatchOutput, error) {
		return e.api.PublishBatch(t.Context(), &awssns.PublishBatchInput{TopicArn: &topic, PublishBatchRequestEntries: entries})
	}
	entry := func(id, message string) types.PublishBatchRequestEntry {
		return types.PublishBatchRequestEntry{Id: &id, Message: &message}
	}
	out, err := batch(entry("a", "1"), entry("b", ""), entry("c", "3"))
	if err != nil || len(out.Successful) != 2 || len(out.Failed) != 1 || *out.Failed[0].Id != "b" || *out.Failed[0].Code != "InvalidParameter" || !out.Failed[0].SenderFault {
		t.Fatalf("%+v, %v", out, err)
	}
	if got := e.receive(queue); len(got) != 2 {
		t.Errorf("%d messages arrived, want 2", len(got))
	}
	var eleven []types.PublishBatchRequestEntry
	for i := range 11 {
		eleven = append(eleven, entry(fmt.Sprint(i), "m"))
	}
	half := strings.Repeat("x", maxMessage/2+1)
	for want, entries := range map[string][]types.PublishBatchRequestEntry{
		"EmptyBatchRequest": {}, "TooManyEntriesInBatchRequest": eleven, "InvalidBatchEntryId": {entry("a b", "m")},
		"BatchEntryIdsNotDistinct": {entry("a", "m"), entry("a", "m")}, "BatchRequestTooLong": {entry("a", half), entry("b", half)},
	} {
		if _, err := batch(entries...); code(err) != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestFiltersDecideWhatIsDelivered(t *testing.T) {
	e := start(t, t.TempDir())
	topic := e.topic("t")
	some, someARN := e.queue("some", topic)
	body, bodyARN := e.queue("body", topic)
	e.subscribe(topic, "sqs", someARN, map[string]string{"FilterPolicy": `{"kind":["a"]}`, "RawMessageDelivery": "true"})
	e.subscribe(topic, "sqs", bodyARN, map[string]string{"FilterPolicy": `{"size":{"w":[{"numeric":[">",100]}]}}`, "FilterPolicyScope": "MessageBody"})
	for _, kind := range []string{"a", "b"} {
		_, err := e.api.Publish(t.Context(), &awssns.PublishInput{TopicArn: &topic, Message: ptr("m"), MessageAttributes: map[string]types.MessageAttributeValue{"kind": attr("String", kind)}})
		if err != nil {
			t.Fatal(err)
		}
	}
	e.publish(topic, `{"size":{"w":101}}`)
	e.publish(topic, `{"size":{"w":100}}`)
	if a, b := len(e.receive(some)), len(e.receive(body)); a != 1 || b != 1 {
		t.Errorf("%d and %d messages arrived, want one each", a, b)
	}
}

func TestSubscriptionsThatNobodyConfirmsLapse(t *testing.T) {
	dir := t.TempDir()
	e := start(t, dir)
	topic := e.topic("t")
	e.subscribe(topic, "email", "a@example.com", nil)
	var token string
	if err := e.db.Read().QueryRow(`SELECT token FROM sns_subscriptions`).Scan(&token); err != nil {
		t.Fatal(err)
	}
	e.close()
	e = start(t, dir, func(o *Options) { o.Now = func() time.Time { return time.Now().Add(tokenLife + time.Minute) } })
	if _, err := e.api.ConfirmSubscription(t.Context(), &awssns.ConfirmSubscriptionInput{TopicArn: &topic, Token: &token}); code(err) != "InvalidParameter" {
		t.Errorf("a lapsed token: %v", err)
	}
	e.sns.Start()
	e.sns.Start()
	e.until("the subscription is gone", func() bool {
		out, err := e.api.ListSubscriptions(t.Context(), &awssns.ListSubscriptionsInput{})
		if err != nil {
			t.Fatal(err)
		}
		return len(out.Subscriptions) == 0
	})
	e.sns.Stop()
	e.sns.Stop()
}

// script runs a program against the endpoint, or skips where it is not installed.
func (e *endpoint) script(name string, args ...string) string {
	e.t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		e.t.Skipf("%s is not installed", name)
	}
	cmd := exec.CommandContext(e.t.Context(), name, args...)
	cmd.Env = append(cmd.Environ(), "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_REGION=us-east-1", "AWS_DEFAULT_REGION=us-east-1",
		"AWS_ENDPOINT_URL="+e.url, "AWS_PAGER=", "AWS_CONFIG_FILE=/nonexistent", "AWS_EC2_METADATA_DISABLED=true")
	out, err := cmd.CombinedOutput()
	if err != nil {
		if name == "python3" && strings.Contains(string(out), "No module named 'boto3'") {
			e.t.Skip("boto3 is not installed")
		}
		e.t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

func TestTheAWSCommandLine(t *testing.T) {
	e := running(t)
	arn := strings.TrimSpace(e.script("aws", "sns", "create-topic", "--name", "cli", "--output", "text"))
	if got := e.script("aws", "sns", "subscribe", "--topic-arn", arn, "--protocol", "email", "--notification-endpoint", "a@example.com", "--output", "text"); strings.TrimSpace(got) != "pending confirmation" {
		t.Errorf("subscribe: %s", got)
	}
	e.open(link(t, e.mails(1)[0].Text, "ConfirmSubscription"), "text/html")
	e.script("aws", "sns", "publish", "--topic-arn", arn, "--subject", "Hi", "--message", "from the shell", "--message-attributes", `{"k":{"DataType":"String","StringValue":"v"}}`)
	if m := e.mails(2)[1]; m.Subject != "Hi" || !strings.HasPrefix(m.Text, "from the shell\n") {
		t.Errorf("mail = %+v", m)
	}
	if got := e.script("aws", "sns", "list-subscriptions-by-topic", "--topic-arn", arn, "--query", "Subscriptions[0].Endpoint", "--output", "text"); strings.TrimSpace(got) != "a@example.com" {
		t.Errorf("list: %s", got)
	}
}

func TestBoto3(t *testing.T) {
	e := running(t)
	out := e.script("python3", "-c", `
import boto3
sns = boto3.client("sns")
arn = sns.create_topic(Name="boto", Attributes={"DisplayName": "Boto & co"}, Tags=[{"Key": "a", "Value": "b"}])["TopicArn"]
assert sns.get_topic_attributes(TopicArn=arn)["Attributes"]["DisplayName"] == "Boto & co"
sub = sns.subscribe(TopicArn=arn, Protocol="email", Endpoint="a@example.com", ReturnSubscriptionArn=True)["SubscriptionArn"]
assert sns.get_subscription_attributes(SubscriptionArn=sub)["Attributes"]["PendingConfirmation"] == "true"
r = sns.publish_batch(TopicArn=arn, PublishBatchRequestEntries=[
    {"Id": "1", "Message": "x", "MessageAttributes": {"k": {"DataType": "Binary", "BinaryValue": b"\x00\x01"}}}, {"Id": "2", "Message": ""}])
assert [s["Id"] for s in r["Successful"]] == ["1"] and r["Failed"][0]["Code"] == "InvalidParameter", r
try:
    sns.subscribe(TopicArn=arn, Protocol="lambda", Endpoint="x")
    raise SystemExit("lambda was taken")
except sns.exceptions.InvalidParameterException as e:
    assert "lambda" in str(e)
try:
    sns.get_topic_attributes(TopicArn=arn + "x")
    raise SystemExit("found what is not there")
except sns.exceptions.NotFoundException:
    pass
assert [t["TopicArn"] for t in sns.list_topics()["Topics"]] == [arn]
sns.unsubscribe(SubscriptionArn=sub)
sns.delete_topic(TopicArn=arn)
print("done")
`)
	if strings.TrimSpace(out) != "done" {
		t.Error(out)
	}
}

func TestOverview(t *testing.T) {
	e := start(t, t.TempDir())
	topic := e.topic("t")
	_, arn := e.queue("q", "")
	e.subscribe(topic, "sqs", arn, nil)
	e.subscribe(topic, "email", "a@example.com", nil)
	e.publish(topic, "m")
	list, err := e.sns.Overview(t.Context())
	if err != nil || len(list) != 1 || list[0].ARN != topic || len(list[0].Subscriptions) != 2 || list[0].Owed != 1 {
		t.Fatalf("%+v, %v", list, err)
	}
	for _, s := range list[0].Subscriptions {
		if s.Failing != (s.Protocol == "sqs") || s.Confirmed != (s.Protocol == "sqs") {
			t.Errorf("%+v", s)
		}
	}
}
