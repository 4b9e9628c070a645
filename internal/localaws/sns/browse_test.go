package sns

import (
	"fmt"
	"slices"
	"testing"
)

func TestTopicsHavePages(t *testing.T) {
	e := start(t, t.TempDir())
	for i := range 5 {
		e.topic(fmt.Sprintf("upload-%d", i))
	}
	topic := e.topic("Done")
	_, queue := e.queue("q", topic)
	e.subscribe(topic, "sqs", queue, nil)
	e.subscribe(topic, "email", "a@example.com", nil)
	var arns []string
	for after, more := "", true; more; {
		var page []TopicLine
		var err error
		if page, more, err = e.sns.Page(t.Context(), "UPLOAD", after, 2); err != nil {
			t.Fatal(err)
		}
		for _, l := range page {
			arns = append(arns, l.ARN)
			after = l.ARN
		}
	}
	if len(arns) != 5 || !slices.IsSorted(arns) {
		t.Errorf("pages have %q", arns)
	}
	// The account and region of an ARN are no part of the name.
	if page, _, err := e.sns.Page(t.Context(), "aws", "", 10); err != nil || len(page) != 0 {
		t.Errorf("%+v %v", page, err)
	}
	page, more, err := e.sns.Page(t.Context(), "done", "", 10)
	if err != nil || more || len(page) != 1 || page[0].Subscriptions != 2 || page[0].Pending != 1 || page[0].Owed != 1 {
		t.Errorf("%+v %v", page, err)
	}
	if n, err := e.sns.CountTopics(t.Context()); err != nil || n != 6 {
		t.Errorf("%d topics, %v", n, err)
	}
	if got, err := e.sns.TopicsOf(t.Context(), "sqs", queue, 10); err != nil || !slices.Equal(got, []string{topic}) {
		t.Errorf("topics of the queue: %q %v", got, err)
	}
}
