package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"image/jpeg"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"golang.org/x/sync/errgroup"

	"github.com/tintype/tintype/bench/photo"
	"github.com/tintype/tintype/internal/freeport"
)

const (
	uploads = "tintype-uploads"
	results = "tintype-results"
	// clients is how many requests of our own are under way at once.
	clients = 8
)

// rig is an endpoint with the resources of a deployment, and a queue of our own on the
// completion topic: its depth says exactly how many images are done, whoever did them.
type rig struct {
	b        *bench
	dir      string
	url      string
	env      []string
	endpoint *process
	s3       *s3.Client
	sqs      *sqs.Client
	queue    string // URLs
	done     string
	topic    string // ARN of the completion topic
}

func newRig(ctx context.Context, b *bench) (r *rig, err error) {
	r = &rig{b: b}
	if r.dir, err = os.MkdirTemp(b.dir, "rig-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	addr, err := freeport.Addr()
	if err != nil {
		return r, err
	}
	r.url = "http://" + addr
	r.env = awsEnv(r.url)
	r.endpoint, err = launch(r.dir, "endpoint", r.env, b.o.tintype, "endpoint", "--endpoint-addr", addr, "--console-addr", "127.0.0.1:0", "--data", filepath.Join(r.dir, "data"), "--log-level", "error")
	if err != nil {
		return r, err
	}
	if err := r.endpoint.ready(ctx, r.url+"/_tintype/health"); err != nil {
		return r, err
	}
	cmd := exec.CommandContext(ctx, b.o.tintype, "provision")
	cmd.Env = r.env
	if out, err := cmd.CombinedOutput(); err != nil {
		return r, fmt.Errorf("provision: %w\n%s", err, out)
	}
	conf := aws.Config{Region: "us-east-1", BaseEndpoint: &r.url, Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""), HTTPClient: awshttp.NewBuildableClient()}
	r.s3 = s3.NewFromConfig(conf, func(o *s3.Options) { o.UsePathStyle = true })
	r.sqs = sqs.NewFromConfig(conf)
	r.queue = r.url + "/000000000000/ImageApp"
	r.topic = "arn:aws:sns:us-east-1:000000000000:processingnotification"
	made, err := r.sqs.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("bench-done"), Attributes: map[string]string{
		"Policy": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"sns.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"*"}]}`}})
	if err != nil {
		return r, err
	}
	r.done = *made.QueueUrl
	_, err = sns.NewFromConfig(conf).Subscribe(ctx, &sns.SubscribeInput{TopicArn: &r.topic, Protocol: aws.String("sqs"),
		Endpoint: aws.String("arn:aws:sqs:us-east-1:000000000000:bench-done"), Attributes: map[string]string{"RawMessageDelivery": "true"}})
	return r, err
}

// awsEnv is the environment of what speaks to an endpoint; nothing of ours goes into it.
func awsEnv(url string) (env []string) {
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "AWS_") && !strings.HasPrefix(e, "TINTYPE_") {
			env = append(env, e)
		}
	}
	return append(env, "AWS_ENDPOINT_URL="+url, "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_REGION=us-east-1", "AWS_EC2_METADATA_DISABLED=true")
}

func (r *rig) close() {
	if r.endpoint != nil {
		r.endpoint.stop()
	}
	_ = os.RemoveAll(r.dir)
}

// depth is how many messages a queue holds, those in work included.
func (r *rig) depth(ctx context.Context, url string) (int, error) {
	out, err := r.sqs.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []sqsAttribute{"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"}})
	if err != nil {
		return 0, err
	}
	n := 0
	for _, v := range out.Attributes {
		k, err := strconv.Atoi(v)
		if err != nil {
			return 0, err
		}
		n += k
	}
	return n, nil
}

// until waits until a queue holds at least n messages, and returns how many.
func (r *rig) until(ctx context.Context, url string, n int) (int, error) {
	moved, last := time.Now(), -1
	for {
		got, err := r.depth(ctx, url)
		if err != nil || got >= n {
			return got, err
		}
		if got != last {
			moved, last = time.Now(), got
		}
		if time.Since(moved) > patience {
			return got, fmt.Errorf("%s has held %d messages, of %d, for %v", filepath.Base(url), got, n, patience)
		}
		select {
		case <-time.After(50 * time.Millisecond): // each look is work for the endpoint, which is measured
		case <-ctx.Done():
			return got, ctx.Err()
		}
	}
}

// fill uploads images until the queue holds n.
func (r *rig) fill(ctx context.Context, body []byte, n int) error {
	have, err := r.depth(ctx, r.queue)
	if err != nil || have >= n {
		return err
	}
	return r.put(ctx, body, n-have)
}

// put uploads n copies of a picture, as a browser's forms do: each under an id of its own.
func (r *rig) put(ctx context.Context, body []byte, n int) error {
	before, err := r.depth(ctx, r.queue)
	if err != nil {
		return err
	}
	g, putting := errgroup.WithContext(ctx)
	g.SetLimit(clients)
	for range n {
		g.Go(func() error {
			_, err := r.s3.PutObject(putting, &s3.PutObjectInput{Bucket: aws.String(uploads), Key: aws.String(newID() + "/photo.jpg"), Body: bytes.NewReader(body), ContentType: aws.String("image/jpeg")})
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	_, err = r.until(ctx, r.queue, before+n)
	return err
}

// newID is an id as uploads have it: docs/adr/0005.
func newID() string {
	const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
	var b [26]byte
	_, _ = rand.Read(b[:]) // never fails
	for i := range b {
		b[i] = alphabet[b[i]&31]
	}
	ms := uint64(1<<48-1) - uint64(time.Now().UnixMilli())
	for i := 9; i >= 0; i-- {
		b[i] = alphabet[ms&31]
		ms >>= 5
	}
	return string(b[:])
}

// pad fills the queue up to n messages: events of the same few originals, each later than
// the one before, so that each asks for all of the work. They lie behind the images that count.
func (r *rig) pad(ctx context.Context, body []byte, n int) error {
	have, err := r.depth(ctx, r.queue)
	if err != nil || have >= n {
		return err
	}
	const originals = 64
	etag := ""
	for i := range originals {
		out, err := r.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(uploads), Key: aws.String(fmt.Sprintf("pad/%02d.jpg", i)), Body: bytes.NewReader(body)})
		if err != nil {
			return err
		}
		etag = strings.Trim(*out.ETag, `"`)
	}
	have += originals
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(clients)
	for ; have < n; have += 10 {
		first := have
		g.Go(func() error {
			in := &sqs.SendMessageBatchInput{QueueUrl: &r.queue}
			for i := range 10 {
				text := padding(fmt.Sprintf("pad/%02d.jpg", (first+i)%originals), etag, len(body), first+i)
				in.Entries = append(in.Entries, sqsEntry{Id: aws.String(strconv.Itoa(i)), MessageBody: &text})
			}
			out, err := r.sqs.SendMessageBatch(ctx, in)
			if err == nil && len(out.Failed) > 0 {
				err = fmt.Errorf("send: %s", *out.Failed[0].Message)
			}
			return err
		})
	}
	return g.Wait()
}

// padding is S3's event of an upload in SNS's envelope.
func padding(key, etag string, size, seq int) string {
	at := time.Now().UTC().Add(time.Hour).Format("2006-01-02T15:04:05.000Z")
	event, _ := json.Marshal(map[string]any{"Records": []any{map[string]any{ // strings and numbers: it cannot fail
		"eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "us-east-1", "eventTime": at, "eventName": "ObjectCreated:Put",
		"s3": map[string]any{"s3SchemaVersion": "1.0", "bucket": map[string]any{"name": uploads, "arn": "arn:aws:s3:::" + uploads},
			"object": map[string]any{"key": key, "size": size, "eTag": etag, "sequencer": fmt.Sprintf("F%017X", seq)}},
	}}})
	body, _ := json.Marshal(map[string]any{"Type": "Notification", "MessageId": newID(), "TopicArn": "arn:aws:sns:us-east-1:000000000000:uploadnotification",
		"Subject": "Amazon S3 Notification", "Message": string(event), "Timestamp": at})
	return string(body)
}

// picture is a JPEG as a camera makes it, of about so many megapixels, 4 by 3.
func picture(photos string, megapixels float64) ([]byte, error) {
	tiles, err := photo.Tiles(photos)
	if err != nil {
		return nil, err
	}
	unit := int(math.Round(math.Sqrt(megapixels*1e6/12)/8)) * 8
	var b bytes.Buffer
	err = jpeg.Encode(&b, photo.Mosaic(tiles, 4*unit, 3*unit), &jpeg.Options{Quality: 92})
	return b.Bytes(), err
}
