package e2e

import (
	"bytes"
	"encoding/json"
	"image/png"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// TestLab runs the lab, small, and holds its report to what must be so on any machine.
func TestLab(t *testing.T) {
	t.Parallel()
	out := t.TempDir()
	runLab(t, cleanEnv("TMPDIR="+t.TempDir()), "--size", "0.1", "--runs", "1", "--out", out)
	r := readReport(t, out)
	if r.Capacity <= 0 || r.Machine.Cores < 1 || len(r.LeftOut) != 0 {
		t.Errorf("the report begins %+v", r)
	}
	if r.Burst == nil || r.Burst.Coupled == nil || r.Burst.Decoupled.Burst.Count != r.Burst.Count || r.Burst.Decoupled.Failed != 0 || r.Burst.Decoupled.Idle.Count == 0 {
		t.Errorf("burst: %+v", r.Burst)
	}
	if r.Kill == nil || r.Kill.Coupled == nil || r.Kill.Coupled.Failed == 0 || r.Kill.Decoupled.Failed != 0 || r.Kill.Decoupled.Lost != 0 || r.Kill.Decoupled.Done == 0 {
		t.Errorf("kill: %+v", r.Kill)
	}
	if r.Drain == nil || len(r.Drain.Rates) != 3 || r.Drain.Rates[2].Processes != 4 || r.Drain.Rates[2].PerSecond.Median <= 0 {
		t.Errorf("drain: %+v", r.Drain)
	}
	if r.Spike == nil || len(r.Spike.Samples) < 3 || r.Spike.Failed != 0 || r.Spike.Unprocessed != 0 {
		t.Errorf("spike: %+v", r.Spike)
	}
	if p := r.Poison; p == nil || p.Decoupled.GoodDone != p.Decoupled.Good || p.Decoupled.GoodAgain != 0 || p.Decoupled.Bad == 0 || p.Decoupled.BadNamed+p.Decoupled.BadDone != p.Decoupled.Bad || p.Coupled == nil {
		t.Errorf("poison: %+v", r.Poison)
	}

	page, err := os.ReadFile(filepath.Join(out, "index.html"))
	if err != nil {
		t.Fatal(err)
	}
	// One page that needs nothing else, and holds a plot for each experiment but the last.
	if m := regexp.MustCompile(`(?:src|href)="[^#"]`).Find(page); m != nil {
		t.Errorf("the report refers to something outside: %s", m)
	}
	if n := bytes.Count(page, []byte("<svg")); n != 5 {
		t.Errorf("the report has %d plots", n)
	}
	for _, name := range []string{"burst", "kill", "drain", "spike-depth", "spike-age"} {
		b, err := os.ReadFile(filepath.Join(out, name+".png"))
		if err != nil {
			t.Error(err)
			continue
		}
		if m, err := png.Decode(bytes.NewReader(b)); err != nil || m.Bounds().Dx() < 800 {
			t.Errorf("%s.png: %v", name, err)
		}
	}
}

// TestLabAgainst measures a stack that runs already, and leaves nothing in it.
func TestLabAgainst(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.startUp()
	out := t.TempDir()
	runLab(t, cleanEnv(), "--size", "0.1", "--runs", "1", "--out", out, "--against", s.web()+"/")
	r := readReport(t, out)
	if r.Burst == nil || r.Burst.Coupled != nil || r.Spike == nil || r.Poison == nil || r.Kill != nil || r.Drain != nil || len(r.LeftOut) != 2 || len(r.Remaining) != 0 {
		t.Errorf("the report has burst %v, kill %v, drain %v, spike %v, poison %v, left out %v, remaining %v", r.Burst, r.Kill, r.Drain, r.Spike, r.Poison, r.LeftOut, r.Remaining)
	}
	left, err := s.s3.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String("tintype-uploads")})
	if err != nil || len(left.Contents) != 0 {
		t.Errorf("%d images are left, %v", len(left.Contents), err)
	}

	_, errs, code := tintype(t, cleanEnv(), "lab", "--out", out, "--against", "http://"+freeAddr(t))
	if code != 1 || !strings.Contains(errs, "listen to") {
		t.Errorf("against nobody the lab exits with %d: %s", code, errs)
	}
}

// runLab runs the lab to its end; it takes longer than other commands.
func runLab(t *testing.T, env []string, args ...string) {
	t.Helper()
	p := start(t, env, append([]string{"lab"}, args...)...)
	select {
	case <-p.done:
	case <-time.After(6 * patience):
		t.Fatalf("the lab does not come to its end:\n%s", p.out)
	}
	if code := p.code(); code != 0 {
		t.Fatalf("the lab exits with %d:\n%s", code, p.out)
	}
}

// report is as much of a report as the tests look at.
type report struct {
	Capacity float64 `json:"capacityPerSecond"`
	Machine  struct{ Cores int }
	Burst    *struct {
		Count     int
		Decoupled burstSide
		Coupled   *burstSide
	}
	Kill *struct {
		Decoupled killSide
		Coupled   *killSide
	}
	Drain *struct {
		Rates []struct {
			Processes int
			PerSecond struct{ Median float64 } `json:"imagesPerSecond"`
		}
	}
	Spike *struct {
		Samples             []any
		Failed, Unprocessed int
	}
	Poison *struct {
		Decoupled poisonSide
		Coupled   *poisonSide
	}
	LeftOut, Remaining []string
}

type burstSide struct {
	Idle, Burst struct{ Count int }
	Failed      int
}

type killSide struct{ Failed, Done, Lost int }

type poisonSide struct{ Good, GoodDone, GoodAgain, Bad, BadNamed, BadDone int }

func readReport(t *testing.T, dir string) (r report) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "report.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	return r
}
