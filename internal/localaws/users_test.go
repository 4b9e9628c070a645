package localaws_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"github.com/tintype/tintype/internal/localaws"
)

const users = `{"users": [
  {"name": "reader", "accessKey": "reader", "secretKey": "r", "policies": [{"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::box/*"},
    {"Effect": "Deny", "Action": "s3:*", "Resource": "arn:aws:s3:::box/secret*"}]}]},
  {"name": "writer", "accessKey": "writer", "secretKey": "w", "policies": [{"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": ["s3:PutObject", "s3:DeleteObject"], "Resource": "arn:aws:s3:::box/in/*"},
    {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::box", "Condition": {"StringLike": {"s3:prefix": "in/*"}}},
    {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "arn:aws:sqs:us-east-1:000000000000:q"},
    {"Effect": "Allow", "Action": "sns:Subscribe", "Resource": "*", "Condition": {"StringEquals": {"sns:Protocol": "sqs"}}}]}]},
  {"name": "copier", "accessKey": "copier", "secretKey": "c", "policies": [{"Version": "2012-10-17", "Statement": {
    "Effect": "Allow", "Action": ["s3:PutObject", "s3:GetObject"], "Resource": "arn:aws:s3:::box/*"}}]},
  {"name": "nobody", "accessKey": "nobody", "secretKey": "n", "policies": []}
]}`

type as struct {
	s3  *s3.Client
	sqs *sqs.Client
	sns *sns.Client
}

func signedAs(url, key, secret string) as {
	c := aws.Config{Region: "us-east-1", BaseEndpoint: &url, Credentials: credentials.NewStaticCredentialsProvider(key, secret, "")}
	return as{s3.NewFromConfig(c, func(o *s3.Options) { o.UsePathStyle = true }), sqs.NewFromConfig(c), sns.NewFromConfig(c)}
}

// refusal is the service's code, "" without an error.
func refusal(err error) string {
	var ae smithy.APIError
	if errors.As(err, &ae) {
		return ae.ErrorCode()
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func withUsers(t *testing.T, file string, hear func(localaws.Access)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv, err := localaws.Open(localaws.Options{Data: t.TempDir(), API: ln, Users: []byte(file), OnAccess: hear})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		_ = srv.Run(t.Context())
		close(done)
	}()
	t.Cleanup(func() { <-done })
	return srv.URL()
}

// TestUsersMayWhatTheirPoliciesSay asks for the same as several users.
func TestUsersMayWhatTheirPoliciesSay(t *testing.T) {
	var mu sync.Mutex
	heard := map[string]bool{}
	url := withUsers(t, users, func(a localaws.Access) {
		mu.Lock()
		heard[fmt.Sprint(a.User, " ", a.Action, " ", a.Resource, " ", a.Allowed)] = true
		mu.Unlock()
	})
	ctx, box := t.Context(), aws.String("box")
	copier := signedAs(url, "copier", "c")
	root, reader, writer, nobody := signedAs(url, "test", "test"), signedAs(url, "reader", "r"), signedAs(url, "writer", "w"), signedAs(url, "nobody", "n")
	if _, err := root.s3.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: box}); err != nil {
		t.Fatal(err)
	}
	put := func(u as, key string) error {
		_, err := u.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: box, Key: &key, Body: strings.NewReader(key)})
		return err
	}
	for _, key := range []string{"a", "secret", "in/a", "in/tagged"} {
		if err := put(root, key); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := root.s3.PutObjectTagging(ctx, &s3.PutObjectTaggingInput{Bucket: box, Key: aws.String("in/tagged"), Tagging: &s3types.Tagging{TagSet: []s3types.Tag{{Key: aws.String("a"), Value: aws.String("b")}}}}); err != nil {
		t.Fatal(err)
	}
	q, err := root.sqs.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("q")})
	if err != nil {
		t.Fatal(err)
	}
	topic, err := root.sns.CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String("t")})
	if err != nil {
		t.Fatal(err)
	}
	get := func(u as, key string) error {
		out, err := u.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: box, Key: &key})
		if err == nil {
			out.Body.Close()
		}
		return err
	}
	list := func(u as, prefix string) error {
		_, err := u.s3.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: box, Prefix: &prefix})
		return err
	}
	copied := func(u as, from string) error {
		_, err := u.s3.CopyObject(ctx, &s3.CopyObjectInput{Bucket: box, Key: aws.String("in/copy"), CopySource: aws.String("box/" + from)})
		return err
	}
	send := func(u as) error {
		_, err := u.sqs.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: q.QueueUrl, Entries: []sqstypes.SendMessageBatchRequestEntry{{Id: aws.String("1"), MessageBody: aws.String("x")}}})
		return err
	}
	subscribe := func(u as, protocol, endpoint string) error {
		_, err := u.sns.Subscribe(ctx, &sns.SubscribeInput{TopicArn: topic.TopicArn, Protocol: &protocol, Endpoint: &endpoint})
		return err
	}
	for _, c := range []struct {
		what string
		err  error
		want string
	}{
		{"what is allowed", get(reader, "a"), ""},
		{"a deny wins", get(reader, "secret"), "AccessDenied"},
		{"what is not there, for who may not list", get(reader, "absent"), "AccessDenied"},
		{"what is not there, for the account", get(root, "absent"), "NoSuchKey"},
		{"writing without permission", put(reader, "a"), "AccessDenied"},
		{"writing below the prefix", put(writer, "in/b"), ""},
		{"writing beside it", put(writer, "b"), "AccessDenied"},
		{"writing up out of it", put(writer, "in/../b"), ""}, // a key like any other
		{"listing below the prefix", list(writer, "in/x"), ""},
		{"listing all", list(writer, ""), "AccessDenied"},
		{"copying what one may not read", copied(writer, "a"), "AccessDenied"},
		{"copying", copied(copier, "a"), ""},
		{"copying tags without permission for them", copied(copier, "in/tagged"), "AccessDenied"},
		{"nothing allowed", get(nobody, "a"), "AccessDenied"},
		{"a wrong secret", get(signedAs(url, "reader", "x"), "a"), "SignatureDoesNotMatch"},
		{"an unknown key", get(signedAs(url, "somebody", "x"), "a"), "InvalidAccessKeyId"},
		{"a batch, by its single action", send(writer), ""},
		{"sending without permission", send(reader), "AccessDenied"},
		{"subscribing as the condition says", subscribe(writer, "sqs", "arn:aws:sqs:us-east-1:000000000000:q"), ""},
		{"subscribing otherwise", subscribe(writer, "email", "ann@example.com"), "AuthorizationError"},
	} {
		if got := refusal(c.err); got != c.want {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
	if _, err := nobody.s3.ListBuckets(ctx, &s3.ListBucketsInput{}); refusal(err) != "AccessDenied" {
		t.Errorf("ListBuckets: %v", err)
	}
	if _, err := nobody.s3.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("mine")}); refusal(err) != "AccessDenied" {
		t.Errorf("CreateBucket: %v", err)
	}
	if _, err := nobody.sqs.ListQueues(ctx, &sqs.ListQueuesInput{}); refusal(err) != "AccessDenied" {
		t.Errorf("ListQueues: %v", err)
	}
	// Of many keys each is decided on by itself.
	out, err := writer.s3.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: box, Delete: &s3types.Delete{Objects: []s3types.ObjectIdentifier{{Key: aws.String("in/a")}, {Key: aws.String("a")}}}})
	if err != nil || len(out.Deleted) != 1 || len(out.Errors) != 1 || aws.ToString(out.Errors[0].Code) != "AccessDenied" || aws.ToString(out.Errors[0].Key) != "a" {
		t.Errorf("DeleteObjects: %+v, %v", out, err)
	}
	if err := get(root, "a"); err != nil {
		t.Errorf("what may not be deleted is gone: %v", err)
	}
	mu.Lock()
	defer mu.Unlock()
	for _, want := range []string{
		"reader s3:GetObject arn:aws:s3:::box/a true", "writer s3:DeleteObject arn:aws:s3:::box/a false", "writer sqs:SendMessage arn:aws:sqs:us-east-1:000000000000:q true",
		"nobody s3:ListAllMyBuckets * false", "writer s3:GetObject arn:aws:s3:::box/a false",
	} {
		if !heard[want] {
			t.Errorf("nobody heard of %q", want)
		}
	}
}

// TestUsersPresign: what is signed in advance may do what its signer may, and no more.
func TestUsersPresign(t *testing.T) {
	url := withUsers(t, users, nil)
	ctx, box := t.Context(), aws.String("box")
	if _, err := signedAs(url, "test", "test").s3.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: box}); err != nil {
		t.Fatal(err)
	}
	form := func(u as, key string) int {
		p, err := s3.NewPresignClient(u.s3).PresignPostObject(ctx, &s3.PutObjectInput{Bucket: box, Key: &key})
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		w := multipart.NewWriter(&b)
		for k, v := range p.Values {
			_ = w.WriteField(k, v)
		}
		f, _ := w.CreateFormFile("file", "x")
		_, _ = io.WriteString(f, "bytes")
		w.Close()
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URL, &b)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", w.FormDataContentType())
		return status(t, req)
	}
	if s := form(signedAs(url, "writer", "w"), "in/x"); s/100 != 2 {
		t.Errorf("the writer's form: %d", s)
	}
	if s := form(signedAs(url, "writer", "w"), "x"); s != http.StatusForbidden {
		t.Errorf("the writer's form beside its prefix: %d", s)
	}
	if s := form(signedAs(url, "reader", "r"), "in/x"); s != http.StatusForbidden {
		t.Errorf("the reader's form: %d", s)
	}
	for user, want := range map[string]int{"reader": http.StatusOK, "writer": http.StatusForbidden} {
		p, err := s3.NewPresignClient(signedAs(url, user, user[:1]).s3).PresignGetObject(ctx, &s3.GetObjectInput{Bucket: box, Key: aws.String("in/x")})
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if s := status(t, req); s != want {
			t.Errorf("the %s's URL: %d, want %d", user, s, want)
		}
	}
}

func status(t *testing.T, req *http.Request) int {
	t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}
