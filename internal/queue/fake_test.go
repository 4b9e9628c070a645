package queue

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// fakeSQS answers the real SDK in memory, so that hours of leases and backoff pass in a
// synctest bubble in no time. The same engine is run against a real endpoint in
// acceptance_test.go.
type fakeSQS struct {
	mu       sync.Mutex
	changed  chan struct{} // closed and replaced when a message may have become receivable
	messages []*fakeMessage
	issued   int

	// fault, where set, is asked about each request before it is carried out.
	fault func(op string) error
	// rejects says which receipt handles are refused in batches, and how.
	rejects func(op, receipt string) (code string, sender bool)

	redrive string // the queue's RedrivePolicy

	calls      map[string]int
	asked      []int           // MaxNumberOfMessages of each poll
	maxVisible int             // most messages in flight at once
	delays     []time.Duration // of single ChangeMessageVisibility requests
	batches    []int           // sizes of delete batches
	deleted    []string        // bodies
}

type fakeMessage struct {
	id, body, receipt string
	count             int
	visible           time.Time
}

func newFake(bodies ...string) *fakeSQS {
	f := &fakeSQS{changed: make(chan struct{}), calls: map[string]int{}}
	for _, b := range bodies {
		f.messages = append(f.messages, &fakeMessage{id: "id-" + b, body: b})
	}
	return f
}

func (f *fakeSQS) client() *sqs.Client {
	return sqs.New(sqs.Options{
		Region: "us-east-1", BaseEndpoint: aws.String("http://sqs.test"), HTTPClient: f,
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	})
}

func (f *fakeSQS) send(body string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.messages = append(f.messages, &fakeMessage{id: "id-" + body, body: body})
	f.wake()
}

func (f *fakeSQS) wake() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// Do is the HTTP client that the SDK is given.
func (f *fakeSQS) Do(r *http.Request) (*http.Response, error) {
	_, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	var in struct {
		MaxNumberOfMessages, WaitTimeSeconds, VisibilityTimeout int
		ReceiptHandle                                           string
		Entries                                                 []struct {
			Id, ReceiptHandle string
			VisibilityTimeout int
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return nil, err
	}
	f.mu.Lock()
	f.calls[op]++
	fault := f.fault
	f.mu.Unlock()
	if fault != nil {
		switch err := fault(op); {
		case errors.Is(err, errHang):
			<-r.Context().Done()
			return nil, r.Context().Err()
		case errors.As(err, new(refusal)):
			var r refusal
			errors.As(err, &r)
			return answer(r.status, map[string]string{"__type": "com.amazonaws.sqs#" + r.code, "message": "no"})
		case err != nil:
			return answer(http.StatusInternalServerError, map[string]string{"__type": "com.amazonaws.sqs#InternalError", "message": err.Error()})
		}
	}
	type result map[string]any
	switch op {
	case "GetQueueAttributes":
		f.mu.Lock()
		defer f.mu.Unlock()
		return answer(http.StatusOK, result{"Attributes": map[string]string{"RedrivePolicy": f.redrive}})
	case "ReceiveMessage":
		got, err := f.receive(r.Context(), in.MaxNumberOfMessages, time.Duration(in.WaitTimeSeconds)*time.Second, time.Duration(in.VisibilityTimeout)*time.Second)
		if err != nil {
			return nil, err
		}
		return answer(http.StatusOK, result{"Messages": got})
	case "ChangeMessageVisibility":
		f.mu.Lock()
		defer f.mu.Unlock()
		f.delays = append(f.delays, time.Duration(in.VisibilityTimeout)*time.Second)
		if !f.change(in.ReceiptHandle, in.VisibilityTimeout) {
			return answer(http.StatusBadRequest, map[string]string{"__type": "com.amazonaws.sqs#ReceiptHandleIsInvalid", "message": "no"})
		}
		return answer(http.StatusOK, result{})
	case "ChangeMessageVisibilityBatch", "DeleteMessageBatch":
		f.mu.Lock()
		defer f.mu.Unlock()
		var ok, failed []result
		if op == "DeleteMessageBatch" {
			f.batches = append(f.batches, len(in.Entries))
		}
		for _, e := range in.Entries {
			code, sender := "", false
			if f.rejects != nil {
				code, sender = f.rejects(op, e.ReceiptHandle)
			}
			if code == "" && (op == "DeleteMessageBatch" && !f.delete(e.ReceiptHandle) || op != "DeleteMessageBatch" && !f.change(e.ReceiptHandle, e.VisibilityTimeout)) {
				code, sender = "ReceiptHandleIsInvalid", true
			}
			if code != "" {
				failed = append(failed, result{"Id": e.Id, "Code": code, "SenderFault": sender, "Message": "no"})
			} else {
				ok = append(ok, result{"Id": e.Id})
			}
		}
		return answer(http.StatusOK, result{"Successful": ok, "Failed": failed})
	}
	return nil, fmt.Errorf("unexpected %s", op)
}

var errHang = errors.New("hang")

// refusal is an answer with a code of AWS.
type refusal struct {
	status int
	code   string
}

func (r refusal) Error() string { return r.code }

func (f *fakeSQS) receive(ctx context.Context, n int, wait, visibility time.Duration) ([]map[string]any, error) {
	f.mu.Lock()
	f.asked = append(f.asked, n)
	f.mu.Unlock()
	deadline := time.NewTimer(wait)
	defer deadline.Stop()
	for {
		f.mu.Lock()
		now := time.Now()
		next := time.Hour
		inFlight := 0
		var got []map[string]any
		for _, m := range f.messages {
			if m.visible.After(now) {
				next = min(next, m.visible.Sub(now))
				inFlight++
				continue
			}
			if len(got) == n {
				continue
			}
			f.issued++
			m.count++
			m.receipt, m.visible = fmt.Sprintf("%s#%d", m.body, f.issued), now.Add(visibility)
			sum := md5.Sum([]byte(m.body))
			got = append(got, map[string]any{"MessageId": m.id, "Body": m.body, "MD5OfBody": hex.EncodeToString(sum[:]), "ReceiptHandle": m.receipt,
				"Attributes": map[string]string{"ApproximateReceiveCount": fmt.Sprint(m.count), "SentTimestamp": "946684800000"}})
		}
		f.maxVisible = max(f.maxVisible, inFlight+len(got))
		changed := f.changed
		f.mu.Unlock()
		if got != nil {
			return got, nil
		}
		soon := time.NewTimer(next)
		select {
		case <-changed:
		case <-soon.C:
		case <-deadline.C:
			soon.Stop()
			return []map[string]any{}, nil
		case <-ctx.Done():
			soon.Stop()
			return nil, ctx.Err()
		}
		soon.Stop()
	}
}

func (f *fakeSQS) find(receipt string) int {
	for i, m := range f.messages {
		if m.receipt == receipt && m.visible.After(time.Now()) {
			return i
		}
	}
	return -1
}

func (f *fakeSQS) change(receipt string, seconds int) bool {
	i := f.find(receipt)
	if i >= 0 {
		f.messages[i].visible = time.Now().Add(time.Duration(seconds) * time.Second)
		f.wake()
	}
	return i >= 0
}

func (f *fakeSQS) delete(receipt string) bool {
	i := f.find(receipt)
	if i >= 0 {
		f.deleted = append(f.deleted, f.messages[i].body)
		f.messages = append(f.messages[:i:i], f.messages[i+1:]...)
	}
	return i >= 0
}

func answer(status int, body any) (*http.Response, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}}, Body: io.NopCloser(bytes.NewReader(b))}, nil
}
