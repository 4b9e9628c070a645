package sns

import (
	"fmt"
	"testing"
)

func TestATopicsSubscriptionsHavePages(t *testing.T) {
	e := start(t, t.TempDir())
	topic := e.topic("t")
	const all = OverviewSubscriptions + 5
	for i := range all {
		e.subscribe(topic, "email", fmt.Sprintf("a%d@example.com", i), nil)
	}
	list, err := e.sns.Overview(t.Context())
	if err != nil || len(list) != 1 || len(list[0].Subscriptions) != OverviewSubscriptions || !list[0].More || list[0].Owed != all {
		t.Fatalf("%d topics, %v", len(list), err)
	}
	seen := map[string]bool{}
	for after, more := "", true; more; {
		v, err := e.sns.View(t.Context(), topic, after, 20)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range v.Subscriptions {
			seen[s.Endpoint] = true
			after = s.ARN
		}
		more = v.More
	}
	if len(seen) != all {
		t.Errorf("the pages have %d subscriptions, want %d", len(seen), all)
	}
	if _, err := e.sns.View(t.Context(), topic+"x", "", 1); !isNotFound(err) {
		t.Errorf("a topic that is not there: %v", err)
	}
}
