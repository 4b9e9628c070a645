package sqs

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/internal/localaws/db"
)

func TestQueuesHavePages(t *testing.T) {
	s, _ := open(t, t.TempDir(), Options{})
	c := client(serve(t, s), nil)
	for i := range 7 {
		create(t, c, fmt.Sprintf("image-%d", i), nil)
	}
	url := create(t, c, "Other", map[string]string{"RedrivePolicy": fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":3}`, s.arn("image-6"))})
	send(t, c, url, "a")
	send(t, c, url, "b")
	var names []string
	for after, more := "", true; more; {
		var page []QueueView
		var err error
		page, more, err = s.Page(t.Context(), "IMAGE", after, 3)
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range page {
			names = append(names, q.Name)
			after = q.Name
		}
	}
	if len(names) != 7 || !slices.IsSorted(names) {
		t.Errorf("pages have %q", names)
	}
	if n, messages, err := s.Totals(t.Context()); err != nil || n != 8 || messages != 2 || len(s.Names()) != 8 {
		t.Errorf("%d queues with %d messages, %v", n, messages, err)
	}
	if v, err := s.View(t.Context(), "Other"); err != nil || v.DeadLetters != s.arn("image-6") || v.MaxReceives != 3 {
		t.Errorf("%+v %v", v, err)
	}
	if got := s.DeadLetterSources()[s.arn("image-6")]; !slices.Equal(got, []string{"Other"}) {
		t.Errorf("sources of the dead-letter queue: %q", got)
	}
}

func TestDeletingWhatWasSeen(t *testing.T) {
	s, _ := open(t, t.TempDir(), Options{})
	c := client(serve(t, s), nil)
	url, other := create(t, c, "q", nil), create(t, c, "other", nil)
	send(t, c, url, "a")
	send(t, c, url, "b")
	send(t, c, other, "c")
	list, err := s.Peek(t.Context(), "q", PeekQuery{Limit: 1})
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	for i, want := range []bool{true, false} {
		if ok, err := s.DeleteSeen(t.Context(), "q", list[0].Seq); err != nil || ok != want {
			t.Errorf("deletion %d: %v %v", i, ok, err)
		}
	}
	if ok, err := s.DeleteSeen(t.Context(), "q", list[0].Seq+2); err != nil || ok {
		t.Errorf("a message of another queue: %v %v", ok, err)
	}
	if _, err := s.DeleteSeen(t.Context(), "none", 1); !isNoQueue(err) {
		t.Errorf("a queue that is not there: %v", err)
	}
	wantCounts(t, c, url, "1", "0", "0")
	wantCounts(t, c, other, "1", "0", "0")
}

// TestLooksAreBounded counts no more than it must of a backlog of delayed messages, and
// holds every query of the console to an index.
func TestLooksAreBounded(t *testing.T) {
	s, d := open(t, t.TempDir(), Options{})
	c := client(serve(t, s), nil)
	create(t, c, "q", nil)
	spool := s.byName("q").spool.Load()
	const n = maxGlance + 1000
	err := d.Update(context.Background(), func(tx *db.Tx) error {
		_, err := tx.Exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2)
			INSERT INTO sqs_messages (spool, id, visible_at, sent_at, delayed) SELECT ?1, i, ?3, 1, 1 FROM n`, spool, n, time.Now().Add(time.Hour).UnixMilli())
		if err == nil {
			err = addTotal(tx, spool, n)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if v, err := s.View(t.Context(), "q"); err != nil || !v.Rough || v.Delayed != maxGlance || v.InFlight != 0 || v.Visible != 1000 {
		t.Errorf("%d visible, %d in flight, %d delayed, rough %v, %v", v.Visible, v.InFlight, v.Delayed, v.Rough, err)
	}
	explain := func(query string, args int) {
		rows, err := d.Read().Query("EXPLAIN QUERY PLAN "+query, slices.Repeat([]any{1}, args)...)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var a, b, c sql.RawBytes
			var step string
			if err := rows.Scan(&a, &b, &c, &step); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(step, "TEMP B-TREE") || strings.Contains(step, "SCAN sqs") || strings.Contains(step, "SCAN m") {
				t.Errorf("%s: %s", query, step)
			}
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
	}
	for query, args := range map[string]int{glanceCounts: 3, peekOldest: 4, peekNewest: 4, peekHidden: 5, peekOne: 3} {
		explain(query, args)
	}
}
