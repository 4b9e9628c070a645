package sqs

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/tintype/tintype/internal/localaws/db"
)

// sendMany sends n messages of a tenant, or of nobody where group is "".
func sendMany(t testing.TB, c *sqs.Client, url, group string, n int) {
	t.Helper()
	for from := 0; from < n; from += maxEntries {
		in := &sqs.SendMessageBatchInput{QueueUrl: &url}
		for i := from; i < min(n, from+maxEntries); i++ {
			in.Entries = append(in.Entries, types.SendMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), MessageBody: aws.String(fmt.Sprintf("%s%d", group, i)), MessageGroupId: optional(group)})
		}
		if out, err := c.SendMessageBatch(t.Context(), in); err != nil || len(out.Failed) > 0 {
			t.Fatal(out, err)
		}
	}
}

func bodies(list []types.Message) string {
	var out []string
	for _, m := range list {
		out = append(out, *m.Body)
	}
	return strings.Join(out, " ")
}

func TestANoisyTenantDoesNotHoldUpQuietOnes(t *testing.T) {
	dir := t.TempDir()
	s, _ := open(t, dir, Options{})
	c := client(serve(t, s), nil)
	url := create(t, c, "q", nil)
	sendMany(t, c, url, "loud", 200)
	sendMany(t, c, url, "a", 2)
	sendMany(t, c, url, "", 1)
	sendMany(t, c, url, "b", 1)
	var held []types.Message
	for range 3 { // not noisy yet: in the order of age
		got := receive(t, c, url, 0)
		if held = append(held, got...); !strings.HasPrefix(bodies(got), "loud") || strings.Contains(bodies(got), "a0") {
			t.Errorf("received %s", bodies(got))
		}
	}
	if got := bodies(receive(t, c, url, 0)); got != "a0 a1 0 b0 loud30 loud31 loud32 loud33 loud34 loud35" {
		t.Errorf("with 30 in flight: %s", got)
	}
	sendMany(t, c, url, "a", 1)
	for _, m := range held {
		remove(t, c, url, m)
	}
	// Six of it are in flight, too few to be noisy.
	if got := bodies(receive(t, c, url, 0)); !strings.HasPrefix(got, "loud36 ") || strings.Contains(got, "a") {
		t.Errorf("with 6 in flight: %s", got)
	}
}

// Nobody is noisy who has no more than a tenth of what is in flight.
func TestATenthInFlightIsNotNoisy(t *testing.T) {
	c := httpClient(t)
	url := create(t, c, "q", nil)
	sendMany(t, c, url, "", 300)
	sendMany(t, c, url, "x", 30)
	for range 33 {
		receive(t, c, url, 0)
	}
	sendMany(t, c, url, "x", 10)
	sendMany(t, c, url, "quiet", 1)
	if got := receive(t, c, url, 0); bodies(got[:1]) != "x0" || len(got) != 10 {
		t.Errorf("30 of 330 in flight count as noisy: %s", bodies(got))
	}
	if got := receive(t, c, url, 0); bodies(got) != "quiet0" {
		t.Errorf("received %s", bodies(got))
	}
}

// What is in flight no more, because its time is up, counts for nobody's share.
func TestEndedVisibilityCountsForNoShare(t *testing.T) {
	inBubble(t, func(t *testing.T, _ *Service, _ *db.DB, c *sqs.Client) {
		url := create(t, c, "q", nil)
		sendMany(t, c, url, "loud", 400)
		for range 35 {
			receive(t, c, url, 0)
		}
		time.Sleep(31 * time.Second) // longer than the queue's VisibilityTimeout
		sendMany(t, c, url, "quiet", 1)
		for range 3 {
			receive(t, c, url, 0)
		}
		if got := bodies(receive(t, c, url, 0)); !strings.HasPrefix(got, "quiet0 loud") {
			t.Errorf("with 30 of 30 in flight: %s", got)
		}
	})
}

// However many tenants there are, each has its turn.
func TestEachOfManyQuietTenantsHasItsTurn(t *testing.T) {
	c := httpClient(t)
	url := create(t, c, "q", nil)
	sendMany(t, c, url, "loud", 50)
	for range 3 {
		receive(t, c, url, 0)
	}
	sendMany(t, c, url, "loud", 400)
	var want []string
	for i := range 3 * tenantsSeen {
		sendMany(t, c, url, fmt.Sprintf("t%d-", i), 1)
		want = append(want, fmt.Sprintf("t%d-0", i))
	}
	var got []string
	for range 40 {
		for _, m := range receive(t, c, url, 0) {
			if !strings.HasPrefix(*m.Body, "loud") {
				got = append(got, *m.Body)
			}
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%d of %d quiet tenants had their turn", len(got), len(want))
	}
}

// Messages that were stored together before there were tenants are handed out one by one,
// each once, where quiet tenants take the place of some of them.
func TestQuietTenantsComeBetweenMessagesStoredTogether(t *testing.T) {
	inBubble(t, func(t *testing.T, _ *Service, _ *db.DB, c *sqs.Client) {
		url := create(t, c, "q", nil)
		sendMany(t, c, url, "", 10)
		time.Sleep(time.Second)
		sendMany(t, c, url, "loud", 35)
		time.Sleep(time.Second)
		// Due again later, they come after the others.
		if _, err := c.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10, VisibilityTimeout: 1}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		for range 3 {
			receive(t, c, url, 0)
		}
		sendMany(t, c, url, "quiet", 3)
		got := receive(t, c, url, 0)
		if want := "quiet0 quiet1 quiet2 loud30 loud31 loud32 loud33 loud34 0 1"; bodies(got) != want {
			t.Errorf("received %s, want %s", bodies(got), want)
		}
		for _, m := range got {
			remove(t, c, url, m)
		}
		if got := bodies(receive(t, c, url, 0)); got != "2 3 4 5 6 7 8 9" {
			t.Errorf("then %s", got)
		}
	})
}
