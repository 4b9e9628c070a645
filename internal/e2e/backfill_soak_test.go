//go:build soak

package e2e

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// TestBackfillMany audits and backfills 20,000 originals without a result: how many requests
// that takes, and how much memory (of a binary with the race detector, which needs some times
// as much).
func TestBackfillMany(t *testing.T) {
	const n = 20_000
	s := newSystem(t)
	s.startEndpoint()
	s.provision()
	s.deaf()
	s.fill(n)
	for _, tc := range []struct {
		args []string
		asks string
		most int64 // requests
		code int
	}{
		{[]string{"audit", "--json", "--grace", "0s"}, "HeadObject", n * 2, 1},                                     // each is looked at twice before it is lost
		{[]string{"backfill", "--json", "--rate", "0", "--max-backlog", "0"}, "SendMessageBatch", n/10 + n/100, 0}, // ten with one
		{[]string{"audit", "--json", "--grace", "0s"}, "ListObjectsV2", n/1000 + 2, 0},                             // all are queued
		{[]string{"backfill", "--json", "--dry-run"}, "GetObject", n * 3, 0},                                       // one for each manifest, and what the pipeline would ask
	} {
		cmd := exec.Command(binary, tc.args...)
		cmd.Env = s.env
		out, _ := cmd.Output()
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		var doc struct {
			Summary struct{ Requests map[string]int64 }
		}
		if err := json.Unmarshal([]byte(lines[len(lines)-1]), &doc); err != nil || cmd.ProcessState.ExitCode() != tc.code {
			t.Fatalf("%v: exit %d, %v: %.300s", tc.args, cmd.ProcessState.ExitCode(), err, lines[len(lines)-1])
		}
		use := cmd.ProcessState.SysUsage().(*syscall.Rusage)
		t.Logf("%v: %v, %d MB, user %v", tc.args, doc.Summary.Requests, use.Maxrss>>10, cmd.ProcessState.UserTime())
		if got := doc.Summary.Requests[tc.asks]; got == 0 || got > tc.most {
			t.Errorf("%v: %d times %s, want at most %d", tc.args, got, tc.asks, tc.most)
		}
		if use.Maxrss>>10 > 400 {
			t.Error(fmt.Sprint(tc.args, " took too much memory"))
		}
	}
}
