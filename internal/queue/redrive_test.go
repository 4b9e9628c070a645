package queue

import "testing"

func TestMaxReceives(t *testing.T) {
	for policy, want := range map[string]int{
		"": 0, `{"maxReceiveCount":3}`: 3, `{"maxReceiveCount":"3"}`: 3, `{"deadLetterTargetArn":"arn:x"}`: defaultMaxReceives,
		`{"maxReceiveCount":0}`: defaultMaxReceives, `{"maxReceiveCount":1e9}`: defaultMaxReceives, `{"maxReceiveCount":null}`: defaultMaxReceives,
		"[]": defaultMaxReceives, "{": defaultMaxReceives, `{"maxReceiveCount":"99999999999999999999"}`: defaultMaxReceives,
	} {
		if got := maxReceives(policy); got != want {
			t.Errorf("%s: %d, want %d", policy, got, want)
		}
	}
}

func FuzzMaxReceives(f *testing.F) {
	f.Add(`{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dlq","maxReceiveCount":"5"}`)
	f.Add(`{"maxReceiveCount":-1}`)
	f.Fuzz(func(t *testing.T, policy string) {
		if n := maxReceives(policy); n < 0 || n == 0 && policy != "" {
			t.Errorf("%q: %d", policy, n)
		}
	})
}
