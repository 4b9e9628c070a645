package sqs

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"go.uber.org/goleak"

	"github.com/tintype/tintype/internal/localaws/db"
)

// childEnv names the store that a child process serves: the test binary runs itself
// as the endpoint that is killed.
const childEnv = "TINTYPE_SQS_TEST_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		if err := serveChild(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// serveChild serves the store in dir until the process is killed, after printing its
// address.
func serveChild(dir string) error {
	d, err := db.Open(dir, db.Options{Schemas: []db.Schema{Schema}})
	if err != nil {
		return err
	}
	s, err := New(d, Options{})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() { _ = s.Run(context.Background()) }() // ends with the process
	fmt.Println(l.Addr())
	return http.Serve(l, handler(s))
}

// child is one life of the endpoint.
type child struct {
	cmd *exec.Cmd
	url string
}

func startChild(t *testing.T, dir string) *child {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childEnv+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &child{cmd: cmd}
	t.Cleanup(c.kill)
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the child did not start: %v", err)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }() // until the pipe breaks
	c.url = "http://" + strings.TrimSpace(addr)
	return c
}

// kill is kill -9, and waits for the end.
func (c *child) kill() {
	_ = c.cmd.Process.Kill() // it may be dead already
	_ = c.cmd.Wait()         // "signal: killed" is what was asked for
}

// ledger is what the clients were told.
type ledger struct {
	mu      sync.Mutex
	sent    map[string]bool // acknowledged sends, by body
	tried   map[string]bool // deletes that were asked for: each may or may not have happened
	deleted map[string]bool // acknowledged deletes
	changed chan struct{}   // one value per acknowledged delete batch
}

func TestNothingAcknowledgedIsLostInACrash(t *testing.T) {
	dir := t.TempDir()
	l := &ledger{sent: map[string]bool{}, tried: map[string]bool{}, deleted: map[string]bool{}, changed: make(chan struct{}, 1<<16)}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	hc := &http.Client{Transport: transport}
	const lives = 4
	for life := range lives {
		c := startChild(t, dir)
		cl := client(c.url, hc)
		url := create(t, cl, "q", nil)
		var wg sync.WaitGroup
		for g := range 4 {
			wg.Go(func() { l.produce(t.Context(), cl, url, fmt.Sprintf("%d-%d-", life, g)) })
			wg.Go(func() { l.consume(t.Context(), cl, url) })
		}
		for range 25 { // the middle of the traffic
			select {
			case <-l.changed:
			case <-time.After(30 * time.Second):
				t.Error("no traffic")
			}
		}
		c.kill()
		wg.Wait() // each ends at its first error
	}

	s, d := open(t, dir, Options{})
	cl := client(serve(t, s), nil)
	url := create(t, cl, "q", nil)
	have := stock(t, d)
	a := attrs(t, cl, url)
	var visible, inFlight int
	fmt.Sscan(a["ApproximateNumberOfMessages"]+" "+a["ApproximateNumberOfMessagesNotVisible"], &visible, &inFlight)
	if visible+inFlight != len(have) {
		t.Errorf("%d visible, %d in flight, but %d messages", visible, inFlight, len(have))
	}
	for body := range l.sent {
		if !have[body] && !l.tried[body] {
			t.Errorf("%s was acknowledged and is lost", body)
		}
	}
	for body := range l.deleted {
		if have[body] {
			t.Errorf("%s was deleted and came back", body)
		}
	}
	t.Logf("%d kills: %d acknowledged sends, %d acknowledged deletes, %d messages left", lives, len(l.sent), len(l.deleted), len(have))
	if len(l.deleted) == 0 {
		t.Error("nothing was deleted: the test tests nothing")
	}
}

// stock reads all messages, whatever their state, by body, and holds rows, bodies and
// packs to each other.
func stock(t *testing.T, d *db.DB) map[string]bool {
	t.Helper()
	have := map[string]bool{}
	add := func(body string) {
		if have[body] {
			t.Errorf("%s is there twice", body)
		}
		have[body] = true
	}
	rows, err := d.Read().Query(`SELECT m.id, m.n, m.pack, b.body, p.data FROM sqs_messages m
		LEFT JOIN sqs_bodies b ON b.id = m.id LEFT JOIN sqs_packs p ON p.id = m.pack`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	single, packs := 0, map[int64]bool{}
	for rows.Next() {
		var r row
		var body sql.NullString
		var data []byte
		if err := rows.Scan(&r.id, &r.n, &r.pack, &body, &data); err != nil {
			t.Fatal(err)
		}
		if r.pack == 0 {
			single++
			if r.n != 1 || !body.Valid {
				t.Errorf("row %+v, body %v", r, body)
			}
			add(body.String)
			continue
		}
		packs[r.pack] = true
		members, err := unpackSome(string(data), r.id-r.pack, r.n)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range members {
			add(m.body)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	var bodies, kept int
	if err := d.Read().QueryRow("SELECT (SELECT count(*) FROM sqs_bodies), (SELECT count(*) FROM sqs_packs)").Scan(&bodies, &kept); err != nil {
		t.Fatal(err)
	}
	if bodies != single || kept != len(packs) {
		t.Errorf("%d bodies and %d packs, but %d and %d are referred to", bodies, kept, single, len(packs))
	}
	return have
}

func (l *ledger) produce(ctx context.Context, c *sqs.Client, url, prefix string) {
	for n := 0; ; n += 3 {
		in := &sqs.SendMessageBatchInput{QueueUrl: &url}
		for i := range 3 {
			in.Entries = append(in.Entries, types.SendMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), MessageBody: aws.String(fmt.Sprint(prefix, n+i))})
		}
		if _, err := c.SendMessageBatch(ctx, in); err != nil {
			return
		}
		l.mu.Lock()
		for _, e := range in.Entries {
			l.sent[*e.MessageBody] = true
		}
		l.mu.Unlock()
	}
}

func (l *ledger) consume(ctx context.Context, c *sqs.Client, url string) {
	for {
		out, err := c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 2, VisibilityTimeout: 300, WaitTimeSeconds: 1})
		if err != nil {
			return
		}
		if len(out.Messages) == 0 {
			continue
		}
		in := &sqs.DeleteMessageBatchInput{QueueUrl: &url}
		l.mu.Lock()
		for i, m := range out.Messages {
			l.tried[*m.Body] = true
			in.Entries = append(in.Entries, types.DeleteMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), ReceiptHandle: m.ReceiptHandle})
		}
		l.mu.Unlock()
		del, err := c.DeleteMessageBatch(ctx, in)
		if err != nil {
			return
		}
		l.mu.Lock()
		if len(del.Successful) == len(out.Messages) {
			for _, m := range out.Messages {
				l.deleted[*m.Body] = true
			}
		}
		l.mu.Unlock()
		l.changed <- struct{}{}
	}
}
