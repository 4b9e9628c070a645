package e2e

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestDoctor: all is well beside provisioned resources; what is missing is named, with what
// to do, and ends in exit code 1.
func TestDoctor(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	if out, _, code := tintype(t, s.env, "doctor"); code != 1 || !strings.Contains(out, "See whether the endpoint is running") {
		t.Errorf("without an endpoint: exit %d\n%s", code, out)
	}
	s.startEndpoint()
	look := func() (wrong map[string]string, checks, code int) {
		out, errs, code := tintype(t, s.env, "doctor", "--json")
		wrong = map[string]string{}
		for d := json.NewDecoder(strings.NewReader(out)); d.More(); checks++ {
			var f struct {
				Check, Found, Remedy string
				OK                   bool
			}
			if err := d.Decode(&f); err != nil {
				t.Fatalf("%v in:\n%s%s", err, out, errs)
			}
			if !f.OK {
				if f.Remedy == "" {
					t.Errorf("%s: no remedy", f.Found)
				}
				wrong[f.Check] += f.Found
			}
		}
		return wrong, checks, code
	}
	wrong, _, code := look()
	if code != 1 || len(wrong) != 2 || !strings.Contains(wrong["bucket"], "tintype-results") || !strings.Contains(wrong["queue"], "ImageApp") {
		t.Errorf("without resources: exit %d, wrong: %v", code, wrong)
	}
	s.provision()
	wrong, checks, code := look()
	if code != 0 || len(wrong) != 0 || checks != 10 {
		t.Errorf("with resources: exit %d, %d checks, wrong: %v", code, checks, wrong)
	}
}
