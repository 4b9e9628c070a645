package wire

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	snstypes "github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
)

// recorder keeps the last input an operation was called with and answers out or err.
type recorder struct {
	in      any
	present func(string) bool
	out     any
	err     error
}

func recording[I, O any](rec *recorder) Operation {
	return Op(func(_ context.Context, r *Request, in *I) (*O, error) {
		rec.in, rec.present = in, r.Present
		out, _ := rec.out.(*O)
		return out, rec.err
	})
}

func sqsService(rec *recorder) *Service {
	return &Service{
		Name: "sqs", TargetPrefix: "AmazonSQS", Version: "2012-11-05",
		Namespace: "http://queue.amazonaws.com/doc/2012-11-05/", PathMember: "QueueUrl",
		RootOnly: map[string]bool{"CreateQueue": true},
		Naming: Naming{Flattened: true, Members: map[string]MemberName{
			"Attributes":            {Name: "Attribute"},
			"MessageAttributes":     {Name: "MessageAttribute"},
			"Tags":                  {Name: "Tag", Key: "Key", Value: "Value"},
			"QueueUrls":             {Name: "QueueUrl"},
			"AttributeNames":        {Name: "AttributeName"},
			"StringListValues":      {Name: "StringListValue"},
			"MessageAttributeNames": {Name: "MessageAttributeName"},
			"BinaryListValues":      {Name: "BinaryListValue"},
		}},
		JSONNames: map[string]string{"ListDeadLetterSourceQueuesOutput.QueueUrls": "queueUrls"},
		Operations: map[string]Operation{
			"CreateQueue":                recording[sqs.CreateQueueInput, sqs.CreateQueueOutput](rec),
			"DeleteQueue":                recording[sqs.DeleteQueueInput, sqs.DeleteQueueOutput](rec),
			"ReceiveMessage":             recording[sqs.ReceiveMessageInput, sqs.ReceiveMessageOutput](rec),
			"SendMessageBatch":           recording[sqs.SendMessageBatchInput, sqs.SendMessageBatchOutput](rec),
			"ListDeadLetterSourceQueues": recording[sqs.ListDeadLetterSourceQueuesInput, sqs.ListDeadLetterSourceQueuesOutput](rec),
			"ListQueueTags":              recording[sqs.ListQueueTagsInput, sqs.ListQueueTagsOutput](rec),
			"StartMessageMoveTask":       Refuse(&Error{Code: "UnsupportedOperation", QueryCode: "AWS.SimpleQueueService.UnsupportedOperation", Message: "not here"}),
			"PurgeQueue": Op(func(context.Context, *Request, *sqs.PurgeQueueInput) (*sqs.PurgeQueueOutput, error) {
				panic("a bug")
			}),
		},
	}
}

func snsService(rec *recorder) *Service {
	return &Service{
		Name: "sns", Version: "2010-03-31", Namespace: "http://sns.amazonaws.com/doc/2010-03-31/",
		Naming: Naming{Members: map[string]MemberName{"MessageAttributes": {Key: "Name", Value: "Value"}}},
		Operations: map[string]Operation{
			"CreateTopic":        recording[sns.CreateTopicInput, sns.CreateTopicOutput](rec),
			"ListTopics":         recording[sns.ListTopicsInput, sns.ListTopicsOutput](rec),
			"GetTopicAttributes": recording[sns.GetTopicAttributesInput, sns.GetTopicAttributesOutput](rec),
			"Publish":            recording[sns.PublishInput, sns.PublishOutput](rec),
			"PublishBatch":       recording[sns.PublishBatchInput, sns.PublishBatchOutput](rec),
			"Subscribe":          recording[sns.SubscribeInput, sns.SubscribeOutput](rec),
			"TagResource":        recording[sns.TagResourceInput, sns.TagResourceOutput](rec),
		},
	}
}

// serve answers s's requests over real HTTP.
func serve(t *testing.T, s *Service) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		s.Serve(w, r, body, Identity{Account: "000000000000", Region: "us-east-1", Principal: "test"})
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

func sqsClient(t *testing.T, rec *recorder) *sqs.Client {
	return sqs.New(sqs.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(serve(t, sqsService(rec))), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	})
}

func snsClient(t *testing.T, rec *recorder) *sns.Client {
	return sns.New(sns.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(serve(t, snsService(rec))), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	})
}

// awkward holds what XML, JSON and forms each have trouble with.
const awkward = "a&b=c<d>\"e'\\ +%41\r\n\t é 日本 🎈 \u2028 ]]>"

// same compares two of the SDK's structs by their members, leaving out the metadata
// that the SDK adds to outputs.
func same(t *testing.T, got, want any) {
	t.Helper()
	for _, p := range []any{got, want} {
		if f := reflect.ValueOf(p).Elem().FieldByName("ResultMetadata"); f.IsValid() {
			f.SetZero()
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("\n got %#v\nwant %#v", got, want)
	}
}

func TestSQSJSONWithTheSDK(t *testing.T) {
	rec := &recorder{}
	c := sqsClient(t, rec)
	ctx := t.Context()

	in := &sqs.SendMessageBatchInput{QueueUrl: aws.String("http://x/000000000000/q"), Entries: []sqstypes.SendMessageBatchRequestEntry{
		{Id: aws.String("a"), MessageBody: aws.String(awkward), DelaySeconds: 3, MessageAttributes: map[string]sqstypes.MessageAttributeValue{
			"s": {DataType: aws.String("String"), StringValue: aws.String(awkward)},
			"b": {DataType: aws.String("Binary"), BinaryValue: []byte{0, 1, 254, 255}},
		}},
		{Id: aws.String("b"), MessageBody: aws.String("")},
	}}
	rec.out = &sqs.SendMessageBatchOutput{
		Successful: []sqstypes.SendMessageBatchResultEntry{{Id: aws.String("a"), MessageId: aws.String("m"), MD5OfMessageBody: aws.String("x")}},
		Failed:     []sqstypes.BatchResultErrorEntry{{Id: aws.String("b"), Code: aws.String("C"), SenderFault: true, Message: aws.String(awkward)}},
	}
	out, err := c.SendMessageBatch(ctx, in, func(o *sqs.Options) { o.DisableMessageChecksumValidation = true })
	if err != nil {
		t.Fatal(err)
	}
	same(t, rec.in, in)
	same(t, out, rec.out)
	if !rec.present("Entries.0.DelaySeconds") || rec.present("Entries.1.DelaySeconds") {
		t.Error("the presence of an entry's DelaySeconds was not told")
	}

	rec.out = &sqs.ReceiveMessageOutput{Messages: []sqstypes.Message{{
		Body: aws.String(awkward), MessageId: aws.String("m"), Attributes: map[string]string{"SentTimestamp": "1", "X": awkward},
		MessageAttributes: map[string]sqstypes.MessageAttributeValue{"b": {DataType: aws.String("Binary"), BinaryValue: []byte{0, 255}}},
	}}}
	rout, err := c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: aws.String("u"), MessageSystemAttributeNames: []sqstypes.MessageSystemAttributeName{"All"}},
		func(o *sqs.Options) { o.DisableMessageChecksumValidation = true })
	if err != nil {
		t.Fatal(err)
	}
	same(t, rout, rec.out)

	rec.out = &sqs.ListDeadLetterSourceQueuesOutput{QueueUrls: []string{"u1", "u2"}}
	lout, err := c.ListDeadLetterSourceQueues(ctx, &sqs.ListDeadLetterSourceQueuesInput{QueueUrl: aws.String("u"), MaxResults: aws.Int32(7)})
	if err != nil {
		t.Fatal(err)
	}
	same(t, lout, rec.out)

	rec.err = &Error{Code: "QueueDoesNotExist", QueryCode: "AWS.SimpleQueueService.NonExistentQueue", Message: "no such queue"}
	_, err = c.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: aws.String("u")})
	var gone *sqstypes.QueueDoesNotExist
	if !errors.As(err, &gone) || gone.ErrorCode() != "AWS.SimpleQueueService.NonExistentQueue" || gone.ErrorMessage() != "no such queue" {
		t.Errorf("err = %v", err)
	}
	_, err = c.ListQueues(ctx, &sqs.ListQueuesInput{})
	wantCode(t, err, "UnknownOperationException")
	_, err = c.StartMessageMoveTask(ctx, &sqs.StartMessageMoveTaskInput{SourceArn: aws.String("a")})
	var unsupported *sqstypes.UnsupportedOperation
	if !errors.As(err, &unsupported) {
		t.Errorf("err = %v", err)
	}
	_, err = c.PurgeQueue(ctx, &sqs.PurgeQueueInput{QueueUrl: aws.String("u")})
	wantCode(t, err, "InternalFailure")
}

func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != code {
		t.Errorf("err = %v, want %s", err, code)
	}
}

func TestSNSQueryWithTheSDK(t *testing.T) {
	rec := &recorder{}
	c := snsClient(t, rec)
	ctx := t.Context()

	create := &sns.CreateTopicInput{Name: aws.String("t"), Attributes: map[string]string{"Policy": awkward, "DisplayName": ""},
		Tags: []snstypes.Tag{{Key: aws.String("k"), Value: aws.String(awkward)}, {Key: aws.String("l"), Value: aws.String("")}}}
	rec.out = &sns.CreateTopicOutput{TopicArn: aws.String("arn:" + awkward)}
	cout, err := c.CreateTopic(ctx, create)
	if err != nil {
		t.Fatal(err)
	}
	same(t, rec.in, create)
	same(t, cout, rec.out)

	pub := &sns.PublishInput{TopicArn: aws.String("t"), Message: aws.String(awkward), MessageAttributes: map[string]snstypes.MessageAttributeValue{
		"s": {DataType: aws.String("String"), StringValue: aws.String(awkward)},
		"b": {DataType: aws.String("Binary"), BinaryValue: []byte{0, 255}},
	}}
	if _, err := c.Publish(ctx, pub); err != nil {
		t.Fatal(err)
	}
	same(t, rec.in, pub)

	batch := &sns.PublishBatchInput{TopicArn: aws.String("t")}
	for _, id := range strings.Fields("a b c d e f g h i j") {
		batch.PublishBatchRequestEntries = append(batch.PublishBatchRequestEntries, snstypes.PublishBatchRequestEntry{
			Id: aws.String(id), Message: aws.String(id + awkward), MessageAttributes: pub.MessageAttributes})
	}
	rec.out = &sns.PublishBatchOutput{Successful: []snstypes.PublishBatchResultEntry{{Id: aws.String("a"), MessageId: aws.String("1")}},
		Failed: []snstypes.BatchResultErrorEntry{{Id: aws.String("b"), Code: aws.String("C"), SenderFault: true, Message: aws.String(awkward)}}}
	bout, err := c.PublishBatch(ctx, batch)
	if err != nil {
		t.Fatal(err)
	}
	same(t, rec.in, batch)
	same(t, bout, rec.out)

	sub := &sns.SubscribeInput{TopicArn: aws.String("t"), Protocol: aws.String("sqs"), ReturnSubscriptionArn: true, Attributes: map[string]string{"RawMessageDelivery": "true"}}
	if _, err := c.Subscribe(ctx, sub); err != nil {
		t.Fatal(err)
	}
	same(t, rec.in, sub)

	rec.out = &sns.GetTopicAttributesOutput{Attributes: map[string]string{"Policy": awkward, "Owner": "0"}}
	aout, err := c.GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: aws.String("t")})
	if err != nil {
		t.Fatal(err)
	}
	same(t, aout, rec.out)

	rec.out = &sns.ListTopicsOutput{Topics: []snstypes.Topic{{TopicArn: aws.String("1")}, {TopicArn: aws.String("2")}}, NextToken: aws.String("n")}
	lout, err := c.ListTopics(ctx, &sns.ListTopicsInput{})
	if err != nil {
		t.Fatal(err)
	}
	same(t, lout, rec.out)

	rec.err = Errorf("NotFound", "Topic does not exist: %s", awkward)
	_, err = c.GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: aws.String("t")})
	var gone *snstypes.NotFoundException
	if !errors.As(err, &gone) || gone.ErrorMessage() != "Topic does not exist: "+awkward {
		t.Errorf("err = %v", err)
	}
	rec.err = &Error{Code: "Gone", Message: "new words", QueryMessage: "old words"}
	_, err = c.GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: aws.String("t")})
	var said interface{ ErrorMessage() string }
	if !errors.As(err, &said) || said.ErrorMessage() != "old words" {
		t.Errorf("err = %v", err)
	}
	_, err = c.DeleteTopic(ctx, &sns.DeleteTopicInput{TopicArn: aws.String("t")})
	wantCode(t, err, "InvalidAction")
}

// post sends a Query request and returns status and body.
func post(t *testing.T, u string, form url.Values) (int, string) {
	t.Helper()
	res, err := http.PostForm(u, form)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.Header.Get("X-Amzn-Requestid") == "" || res.Header.Get("Content-Type") != "text/xml" {
		t.Errorf("headers = %v", res.Header)
	}
	return res.StatusCode, string(b)
}

func TestSQSQuery(t *testing.T) {
	rec := &recorder{}
	base := serve(t, sqsService(rec))

	post(t, base, url.Values{"Action": {"CreateQueue"}, "Version": {"2012-11-05"}, "QueueName": {"q"},
		"Attribute.1.Name": {"VisibilityTimeout"}, "Attribute.1.Value": {"40"}, "Attribute.2.Name": {"Policy"}, "Attribute.2.Value": {awkward},
		"Tag.1.Key": {"k"}, "Tag.1.Value": {"v"}})
	same(t, rec.in, &sqs.CreateQueueInput{QueueName: aws.String("q"), Attributes: map[string]string{"VisibilityTimeout": "40", "Policy": awkward}, Tags: map[string]string{"k": "v"}})

	form := url.Values{"Action": {"SendMessageBatch"},
		"SendMessageBatchRequestEntry.10.Id": {"second"}, "SendMessageBatchRequestEntry.10.MessageBody": {"y"},
		"SendMessageBatchRequestEntry.2.Id": {"first"}, "SendMessageBatchRequestEntry.2.MessageBody": {awkward}, "SendMessageBatchRequestEntry.2.DelaySeconds": {"0"},
		"SendMessageBatchRequestEntry.2.MessageAttribute.1.Name":              {"b"},
		"SendMessageBatchRequestEntry.2.MessageAttribute.1.Value.DataType":    {"Binary"},
		"SendMessageBatchRequestEntry.2.MessageAttribute.1.Value.BinaryValue": {"AP8="},
	}
	rec.out = &sqs.SendMessageBatchOutput{
		Successful: []sqstypes.SendMessageBatchResultEntry{{Id: aws.String("first"), MessageId: aws.String("m"), MD5OfMessageBody: aws.String("x")}},
		Failed:     []sqstypes.BatchResultErrorEntry{{Id: aws.String("second"), Code: aws.String("C<"), SenderFault: true}},
	}
	// The queue is named by the path, as old clients do.
	status, body := post(t, base+"/000000000000/q", form)
	same(t, rec.in, &sqs.SendMessageBatchInput{QueueUrl: aws.String(base + "/000000000000/q"), Entries: []sqstypes.SendMessageBatchRequestEntry{
		{Id: aws.String("first"), MessageBody: aws.String(awkward), MessageAttributes: map[string]sqstypes.MessageAttributeValue{"b": {DataType: aws.String("Binary"), BinaryValue: []byte{0, 255}}}},
		{Id: aws.String("second"), MessageBody: aws.String("y")},
	}})
	if !rec.present("Entries.0.DelaySeconds") || rec.present("Entries.1.DelaySeconds") {
		t.Error("the presence of an entry's DelaySeconds was not told")
	}
	want := `<SendMessageBatchResponse xmlns="http://queue.amazonaws.com/doc/2012-11-05/"><SendMessageBatchResult>` +
		`<BatchResultErrorEntry><Code>C&lt;</Code><Id>second</Id><SenderFault>true</SenderFault></BatchResultErrorEntry>` +
		`<SendMessageBatchResultEntry><Id>first</Id><MD5OfMessageBody>x</MD5OfMessageBody><MessageId>m</MessageId></SendMessageBatchResultEntry>` +
		`</SendMessageBatchResult><ResponseMetadata><RequestId>`
	if status != 200 || !strings.Contains(body, want) {
		t.Errorf("%d %s", status, body)
	}

	rec.out = &sqs.ReceiveMessageOutput{Messages: []sqstypes.Message{{Body: aws.String("a\rb"), Attributes: map[string]string{"SentTimestamp": "1"},
		MessageAttributes: map[string]sqstypes.MessageAttributeValue{"s": {DataType: aws.String("String"), StringValue: aws.String("v")}}}}}
	res, err := http.Get(base + "/000000000000/q?Action=ReceiveMessage&MessageAttributeName.1=All&VisibilityTimeout=0")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	if in := rec.in.(*sqs.ReceiveMessageInput); len(in.MessageAttributeNames) != 1 || in.MessageAttributeNames[0] != "All" || !rec.present("VisibilityTimeout") || rec.present("WaitTimeSeconds") {
		t.Errorf("in = %+v", in)
	}
	want = `<Message><Attribute><Name>SentTimestamp</Name><Value>1</Value></Attribute><Body>a&#xD;b</Body>` +
		`<MessageAttribute><Name>s</Name><Value><DataType>String</DataType><StringValue>v</StringValue></Value></MessageAttribute></Message>`
	if !strings.Contains(string(b), want) {
		t.Errorf("%s", b)
	}

	rec.out = &sqs.ListQueueTagsOutput{Tags: map[string]string{"b": "2", "a": "1"}}
	if _, body := post(t, base, url.Values{"Action": {"ListQueueTags"}, "QueueUrl": {"u"}}); !strings.Contains(body, "<ListQueueTagsResult><Tag><Key>a</Key><Value>1</Value></Tag><Tag><Key>b</Key>") {
		t.Error(body)
	}
	rec.err = &Error{Code: "QueueDoesNotExist", QueryCode: "AWS.SimpleQueueService.NonExistentQueue", Message: "no <queue>"}
	status, body = post(t, base, url.Values{"Action": {"DeleteQueue"}, "QueueUrl": {"u"}})
	if status != 400 || !strings.Contains(body, "<Error><Type>Sender</Type><Code>AWS.SimpleQueueService.NonExistentQueue</Code><Message>no &lt;queue&gt;</Message>") {
		t.Errorf("%d %s", status, body)
	}
}

// What an answer of nothing looks like is the model's: a result element without
// members, or none at all.
func TestAnswersOfNothingInXML(t *testing.T) {
	queues := sqsService(&recorder{out: &sqs.ReceiveMessageOutput{}})
	topics := snsService(&recorder{out: &sns.TagResourceOutput{}})
	topics.EmptyResults = map[string]bool{"TagResource": true}
	void := sqsService(&recorder{out: &sqs.DeleteQueueOutput{}})
	for _, c := range []struct {
		s           *Service
		action, has string
	}{
		{queues, "ReceiveMessage", "<ReceiveMessageResult/><ResponseMetadata>"},
		{topics, "TagResource", "<TagResourceResult/><ResponseMetadata>"},
		{void, "DeleteQueue", `<DeleteQueueResponse xmlns="http://queue.amazonaws.com/doc/2012-11-05/"><ResponseMetadata>`},
	} {
		status, body := post(t, serve(t, c.s), url.Values{"Action": {c.action}, "QueueUrl": {"u"}})
		if status != 200 || !strings.Contains(body, c.has) {
			t.Errorf("%s: %d %s, want %s", c.action, status, body, c.has)
		}
	}
}

// At a queue's URL there are the queue's operations and no others.
func TestAQueuesURLHasTheQueuesOperations(t *testing.T) {
	base := serve(t, sqsService(&recorder{out: &sqs.CreateQueueOutput{}}))
	for _, c := range []struct {
		path   string
		status int
		has    string
	}{
		{"/000000000000/q", 404, "<UnknownOperationException/>"},
		{"/000000000000/q?Action=CreateQueue&QueueName=a", 400, "<Code>InvalidAction</Code><Message>The action CreateQueue is not valid for this endpoint.</Message>"},
		{"/?Action=CreateQueue&QueueName=a", 200, "<CreateQueueResult/>"},
		{"/", 400, "<Code>MissingAction</Code>"},
	} {
		res, err := http.Get(base + c.path)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if res.StatusCode != c.status || !strings.Contains(string(b), c.has) {
			t.Errorf("%s: %d %s, want %d %s", c.path, res.StatusCode, b, c.status, c.has)
		}
	}
}

func TestBadQueryRequests(t *testing.T) {
	base := serve(t, sqsService(&recorder{}))
	for _, c := range []struct {
		name, body string
		status     int
		code       string
	}{
		{"no action", "QueueName=q", 400, "MissingAction"},
		{"empty", "", 400, "MissingAction"},
		{"unknown action", "Action=Fly", 400, "InvalidAction"},
		{"bad escape", "Action=CreateQueue&QueueName=%zz", 400, "MalformedQueryString"},
		{"semicolon", "Action=CreateQueue;QueueName=q", 400, "MalformedQueryString"},
		{"not UTF-8", "Action=CreateQueue&QueueName=%ff", 400, "MalformedQueryString"},
		{"too deep", "Action=CreateQueue&a" + strings.Repeat(".b", 10000) + "=1", 400, "MalformedQueryString"},
		{"not a number", "Action=ReceiveMessage&MaxNumberOfMessages=ten", 400, "MalformedInput"},
		{"out of range", "Action=ReceiveMessage&MaxNumberOfMessages=99999999999", 400, "MalformedInput"},
		{"bad index", "Action=CreateQueue&Attribute.x.Name=a", 400, "MalformedInput"},
		{"no key", "Action=CreateQueue&Attribute.1.Value=a", 400, "MalformedInput"},
		{"key twice", "Action=CreateQueue&Attribute.1.Name=a&Attribute.2.Name=a", 400, "InvalidParameterValue"},
		{"bad base64", "Action=SendMessageBatch&SendMessageBatchRequestEntry.1.MessageAttribute.1.Name=a&SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.BinaryValue=!", 400, "MalformedInput"},
		{"huge index", "Action=CreateQueue&Attribute.999999999.Name=a&Attribute.999999999.Value=b", 200, ""},
		{"panic", "Action=PurgeQueue", 500, "InternalFailure"},
	} {
		t.Run(c.name, func(t *testing.T) {
			res, err := http.Post(base, "application/x-www-form-urlencoded", strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			b, _ := io.ReadAll(res.Body)
			if res.StatusCode != c.status || c.code != "" && !strings.Contains(string(b), "<Code>"+c.code+"</Code>") {
				t.Errorf("%d %s", res.StatusCode, b)
			}
		})
	}
}

func TestBadJSONRequests(t *testing.T) {
	base := serve(t, sqsService(&recorder{}))
	for _, c := range []struct {
		name, target, body string
		status             int
		code               string
	}{
		{"no target", "", `{}`, 400, "UnknownOperationException"},
		{"another service", "AmazonSNS.Publish", `{}`, 400, "UnknownOperationException"},
		{"unknown", "AmazonSQS.Fly", `{}`, 400, "UnknownOperationException"},
		{"cut off", "AmazonSQS.CreateQueue", `{"QueueName":`, 400, "SerializationException"},
		{"two documents", "AmazonSQS.CreateQueue", `{} {}`, 400, "SerializationException"},
		{"a list", "AmazonSQS.CreateQueue", `[]`, 400, "SerializationException"},
		{"null", "AmazonSQS.CreateQueue", `null`, 400, "SerializationException"},
		{"wrong type", "AmazonSQS.CreateQueue", `{"QueueName":7}`, 400, "SerializationException"},
		{"wrong map", "AmazonSQS.CreateQueue", `{"Attributes":{"a":1}}`, 400, "SerializationException"},
		{"fraction", "AmazonSQS.ReceiveMessage", `{"MaxNumberOfMessages":1.5}`, 400, "SerializationException"},
		{"out of range", "AmazonSQS.ReceiveMessage", `{"MaxNumberOfMessages":1e300}`, 400, "SerializationException"},
		{"bad base64", "AmazonSQS.SendMessageBatch", `{"Entries":[{"MessageAttributes":{"a":{"BinaryValue":"!"}}}]}`, 400, "SerializationException"},
		{"null entry", "AmazonSQS.SendMessageBatch", `{"Entries":[null]}`, 400, "SerializationException"},
		{"not UTF-8", "AmazonSQS.CreateQueue", "{\"QueueName\":\"\xff\"}", 400, "SerializationException"},
		{"unknown member and null", "AmazonSQS.CreateQueue", `{"QueueName":null,"queuename":5,"Nope":[1,{}]}`, 200, ""},
		{"no body", "AmazonSQS.CreateQueue", ``, 200, ""},
		{"panic", "AmazonSQS.PurgeQueue", `{}`, 500, "InternalFailure"},
	} {
		t.Run(c.name, func(t *testing.T) {
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, base, strings.NewReader(c.body))
			req.Header.Set("Content-Type", jsonContentType)
			if c.target != "" {
				req.Header.Set("X-Amz-Target", c.target)
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			b, _ := io.ReadAll(res.Body)
			if res.StatusCode != c.status || c.code != "" && !strings.Contains(string(b), `"__type":"com.amazonaws.sqs#`+c.code+`"`) {
				t.Errorf("%d %s", res.StatusCode, b)
			}
			if res.Header.Get("X-Amzn-Requestid") == "" {
				t.Error("no request id")
			}
		})
	}
}

func TestInternalErrorsAreLoggedAndNotShown(t *testing.T) {
	rec := &recorder{err: errors.New("disk on fire at /secret/path")}
	s := sqsService(rec)
	var log bytes.Buffer
	s.Logger = slog.New(slog.NewTextHandler(&log, nil))
	status, body := post(t, serve(t, s), url.Values{"Action": {"DeleteQueue"}})
	if status != 500 || strings.Contains(body, "secret") || !strings.Contains(body, "<Type>Receiver</Type><Code>InternalFailure</Code>") {
		t.Errorf("%d %s", status, body)
	}
	if !strings.Contains(log.String(), "disk on fire") || !strings.Contains(log.String(), "operation=DeleteQueue") {
		t.Errorf("log = %s", log.String())
	}
}
