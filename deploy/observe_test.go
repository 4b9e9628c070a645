package deploy_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// rule is an alert as Prometheus reads it.
type rule struct {
	Alert, Expr, For    string
	Labels, Annotations map[string]string
}

func alerts(t *testing.T) []rule {
	t.Helper()
	var file struct {
		Groups []struct {
			Name  string
			Rules []rule
		}
	}
	if err := yaml.UnmarshalWithOptions([]byte(read(t, "prometheus/alerts.yaml")), &file, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	var all []rule
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	if len(all) == 0 {
		t.Fatal("there is no alert")
	}
	return all
}

// panel is what a panel of the dashboard has for us.
type panel struct {
	ID                       int
	Type, Title, Description string
	GridPos                  struct{ X, Y, W, H int }
	Targets                  []struct{ RefID, Expr, LegendFormat string }
	Datasource               struct{ UID string }
}

func panels(t *testing.T) []panel {
	t.Helper()
	var d struct {
		Title, UID string
		Panels     []panel
		Templating struct {
			List []struct{ Name string }
		}
	}
	if err := json.Unmarshal([]byte(read(t, "grafana/tintype.json")), &d); err != nil {
		t.Fatal(err)
	}
	if d.Title == "" || d.UID == "" || len(d.Panels) == 0 {
		t.Fatalf("title %q, uid %q, %d panels", d.Title, d.UID, len(d.Panels))
	}
	known := []string{"__rate_interval"}
	for _, v := range d.Templating.List {
		known = append(known, v.Name)
	}
	for _, p := range d.Panels {
		for _, x := range p.Targets {
			for _, v := range regexp.MustCompile(`\$\{?(\w+)`).FindAllStringSubmatch(x.Expr, -1) {
				if !slices.Contains(known, v[1]) {
					t.Errorf("panel %q: there is no variable %s", p.Title, v[1])
				}
			}
		}
	}
	return d.Panels
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.FromSlash(name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// told are the metrics that docs/operate.md names, which a test holds against the program.
func told(t *testing.T) map[string]string {
	t.Helper()
	names := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(tintype_\\w+)` \\| (\\w+) \\|").FindAllStringSubmatch(read(t, "../docs/operate.md"), -1) {
		names[m[1]] = m[2]
	}
	if len(names) < 50 {
		t.Fatalf("only %d metrics are told of", len(names))
	}
	return names
}

// check holds an expression's metrics against those that there are.
func check(t *testing.T, where, expr string, told map[string]string) {
	t.Helper()
	for _, name := range regexp.MustCompile(`\btintype_\w+`).FindAllString(expr, -1) {
		kind, ok := told[name]
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			if base, cut := strings.CutSuffix(name, suffix); cut && !ok {
				kind = told[base]
				if ok = kind == "histogram"; ok {
					break
				}
			}
		}
		if !ok {
			t.Errorf("%s: nobody tells %s", where, name)
		}
		ranged := regexp.MustCompile(`(rate|increase)\(` + name + `\b`).MatchString(expr)
		if ranged != (kind != "gauge") {
			t.Errorf("%s: %s is a %s", where, name, kind)
		}
	}
}

func TestDashboard(t *testing.T) {
	t.Parallel()
	told := told(t)
	ids, taken := map[int]bool{}, map[[2]int]string{}
	used := ""
	for _, p := range panels(t) {
		where := fmt.Sprintf("panel %q", p.Title)
		if ids[p.ID] || p.ID == 0 || p.Title == "" {
			t.Errorf("%s: id %d is another's, or none; or it has no title", where, p.ID)
		}
		ids[p.ID] = true
		if p.GridPos.W < 1 || p.GridPos.H < 1 || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("%s: %+v is outside of the grid", where, p.GridPos)
		}
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other, ok := taken[[2]int{x, y}]; ok {
					t.Fatalf("%s covers %s", where, other)
				}
				taken[[2]int{x, y}] = where
			}
		}
		if p.Type == "row" {
			continue
		}
		if len(p.Targets) == 0 || p.Datasource.UID != "${datasource}" {
			t.Errorf("%s: %d expressions, of %q", where, len(p.Targets), p.Datasource.UID)
		}
		refs := map[string]bool{}
		for _, x := range p.Targets {
			if refs[x.RefID] {
				t.Errorf("%s: two expressions are %s", where, x.RefID)
			}
			refs[x.RefID] = true
			check(t, where, x.Expr, told)
			used += x.Expr + "\n"
		}
	}
	// What nobody shows is not looked at either; these say nothing over time.
	for _, name := range slices.Sorted(maps.Keys(told)) {
		if !strings.Contains(used, name) && !slices.Contains([]string{"tintype_build_info", "tintype_queue_figures", "tintype_web_queues_swept_total", "tintype_web_queue_created_total", "tintype_web_start_time_seconds"}, name) {
			t.Errorf("%s is on no panel", name)
		}
	}
}

func TestAlertsAreWhole(t *testing.T) {
	t.Parallel()
	told := told(t)
	tests := read(t, "prometheus/alerts.test.yaml")
	operate := read(t, "../docs/operate.md")
	seen := map[string]bool{}
	for _, r := range alerts(t) {
		if seen[r.Alert] {
			t.Errorf("%s is there twice", r.Alert)
		}
		seen[r.Alert] = true
		check(t, r.Alert, r.Expr, told)
		if r.Annotations["summary"] == "" || r.Annotations["description"] == "" || !slices.Contains([]string{"warning", "critical"}, r.Labels["severity"]) {
			t.Errorf("%s: summary, description or severity is missing: %v %v", r.Alert, r.Annotations, r.Labels)
		}
		page, anchor, ok := strings.Cut(strings.TrimPrefix(r.Annotations["runbook_url"], "https://github.com/tintype/tintype/blob/main/docs/"), "#")
		if !ok || strings.Contains(page, "/") {
			t.Errorf("%s: runbook_url is %q", r.Alert, r.Annotations["runbook_url"])
		} else if !slices.Contains(anchors(read(t, "../docs/"+page)), anchor) {
			t.Errorf("%s: docs/%s has no heading #%s", r.Alert, page, anchor)
		}
		for _, what := range []string{"fires", "is quiet"} {
			if !strings.Contains(tests, "name: "+r.Alert+" "+what+"\n") {
				t.Errorf("%s: no test says when it %s", r.Alert, what)
			}
		}
		if !strings.Contains(operate, "`"+r.Alert+"`") {
			t.Errorf("%s is not in docs/operate.md", r.Alert)
		}
	}
}

// anchors are a document's headings as GitHub links to them.
func anchors(text string) (all []string) {
	for _, m := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(text, -1) {
		a := regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(m[1]), "")
		all = append(all, strings.ReplaceAll(a, " ", "-"))
	}
	return all
}

// TestPromtool has Prometheus's own tool check rules and settings, and run the alerts' tests.
func TestPromtool(t *testing.T) {
	t.Parallel()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed: alerts and settings are not checked by Prometheus itself (Debian: apt-get install prometheus)")
	}
	for _, args := range [][]string{
		{"check", "rules", "alerts.yaml"}, {"check", "config", "prometheus.yaml"}, {"test", "rules", "alerts.test.yaml"},
	} {
		cmd := exec.CommandContext(t.Context(), promtool, args...)
		cmd.Dir = "prometheus"
		if out, err := cmd.CombinedOutput(); err != nil || strings.Contains(string(out), "FAILED") {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
}
