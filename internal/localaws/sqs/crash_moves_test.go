package sqs

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// TestAMoveTaskSurvivesCrashes kills the endpoint again and again in the middle of a
// message move task: the task goes on with each start, and in the end every message is in
// the other queue, once.
func TestAMoveTaskSurvivesCrashes(t *testing.T) {
	dir := t.TempDir()
	ctx := t.Context()
	const messages = 3000
	p := startChild(t, dir)
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	hc := &http.Client{Transport: transport}
	c := client(p.url, hc)
	dead, back := "http://x/000000000000/dead", "http://x/000000000000/back"
	if _, err := c.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("dead")}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("back")}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("work"), Attributes: map[string]string{
		"RedrivePolicy": `{"deadLetterTargetArn":"` + arnPrefix + `dead","maxReceiveCount":1}`}}); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < messages; i += 10 {
		in := &sqs.SendMessageBatchInput{QueueUrl: &dead}
		for j := range 10 {
			in.Entries = append(in.Entries, types.SendMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(j)), MessageBody: aws.String(fmt.Sprint(i + j))})
		}
		if _, err := c.SendMessageBatch(ctx, in); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.StartMessageMoveTask(ctx, &sqs.StartMessageMoveTaskInput{SourceArn: aws.String(arnPrefix + "dead"), DestinationArn: aws.String(arnPrefix + "back"),
		MaxNumberOfMessagesPerSecond: aws.Int32(500)}); err != nil {
		t.Fatal(err)
	}
	task := func() types.ListMessageMoveTasksResultEntry {
		out, err := c.ListMessageMoveTasks(ctx, &sqs.ListMessageMoveTasksInput{SourceArn: aws.String(arnPrefix + "dead")})
		if err != nil || len(out.Results) != 1 {
			t.Fatalf("%d tasks, %v", len(out.Results), err)
		}
		return out.Results[0]
	}
	kills := 0
	for moved := int64(0); ; {
		now := task()
		if *now.Status == "COMPLETED" {
			break
		}
		if *now.Status != "RUNNING" {
			t.Fatalf("the task is %s: %s", *now.Status, aws.ToString(now.FailureReason))
		}
		if now.ApproximateNumberOfMessagesMoved > moved && kills < 4 {
			moved = now.ApproximateNumberOfMessagesMoved
			kills++
			p.kill()
			p = startChild(t, dir)
			c = client(p.url, hc)
			if again := task().ApproximateNumberOfMessagesMoved; again < moved {
				t.Errorf("%d messages were moved before the kill, %d after it", moved, again)
			}
		}
	}
	if kills < 4 {
		t.Fatalf("the task ended after %d kills: nothing was tested", kills)
	}
	seen := map[string]bool{}
	for len(seen) < messages {
		out, err := c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &back, MaxNumberOfMessages: 10, VisibilityTimeout: 600})
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Messages) == 0 {
			t.Fatalf("%d of %d messages arrived", len(seen), messages)
		}
		for _, m := range out.Messages {
			if seen[*m.Body] {
				t.Errorf("message %s arrived twice", *m.Body)
			}
			seen[*m.Body] = true
		}
	}
	wantCounts(t, c, dead, "0", "0", "0")
	wantCounts(t, c, back, "0", fmt.Sprint(messages), "0")
}
