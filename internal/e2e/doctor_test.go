package e2e

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// TestDoctor: nobody there, nothing there, mended by --fix, all well; then an image is sent
// through both tiers, and nothing of it stays.
func TestDoctor(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	type finding struct {
		Group, Level, Code, Resource, Found, Why, Mend, Command string
		Provision                                               bool
	}
	look := func(args ...string) (all []finding, wrong []string, code int) {
		t.Helper()
		out, errs, code := tintype(t, s.env, append([]string{"doctor", "--json"}, args...)...)
		for d := json.NewDecoder(strings.NewReader(out)); d.More(); {
			var f finding
			if err := d.Decode(&f); err != nil {
				t.Fatalf("%v in:\n%s%s", err, out, errs)
			}
			if f.Group == "" { // what --fix changed
				continue
			}
			if f.Level != "ok" && f.Code != "" && (f.Why == "" || f.Mend == "" && f.Command == "") {
				t.Errorf("%+v does not say enough", f)
			}
			if f.Level == "wrong" {
				wrong = append(wrong, f.Code)
			}
			all = append(all, f)
		}
		slices.Sort(wrong)
		return all, wrong, code
	}
	if all, wrong, code := look(); code != 1 || !slices.Equal(wrong, []string{"endpoint-silent"}) {
		t.Errorf("without an endpoint: exit %d, %+v", code, all)
	}
	s.startEndpoint()
	if all, wrong, code := look(); code != 1 || !slices.Equal(wrong, []string{"bucket-missing", "bucket-missing", "queue-missing", "topic-missing", "topic-missing"}) {
		t.Errorf("without resources: exit %d, %v: %+v", code, wrong, all)
	}
	text, _, code := tintype(t, s.env, "doctor", "--fix")
	if code != 0 || !strings.Contains(text, "✗ queue ImageApp: there is no such queue  [queue-missing]") || !strings.Contains(text, "✓ queue ImageApp\n") || !strings.Contains(text, "\n0 wrong, ") {
		t.Errorf("--fix: exit %d\n%s", code, text)
	}
	if all, wrong, code := look(); code != 0 || len(wrong) > 0 {
		t.Errorf("with resources: exit %d, %+v", code, all)
	}
	if _, _, code := tintype(t, s.env, "doctor", "--tier", "database"); code != 2 {
		t.Errorf("a tier that there is not: exit %d", code)
	}

	s.startWeb()
	s.startApp()
	all, wrong, code := look("--probe")
	if code != 0 || len(wrong) > 0 {
		t.Errorf("with both tiers: exit %d, %+v", code, all)
	}
	hops := 0
	for _, f := range all {
		if f.Group == "one image, end to end" && f.Level == "ok" {
			hops++
		}
		if f.Level == "warning" && f.Group != "this machine" || f.Level == "unknown" {
			t.Errorf("with both tiers: %+v", f)
		}
	}
	if hops != 4 {
		t.Errorf("%d hops of the probe: %+v", hops, all)
	}
	if out, errs, code := tintype(t, s.env, "list", "--json"); code != 0 || strings.TrimSpace(out) != "" {
		t.Errorf("images after the probe: exit %d\n%s%s", code, out, errs)
	}
}
