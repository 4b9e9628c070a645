package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tintype/tintype/internal/testimages"
)

// promServer is a real Prometheus that scrapes a system's tiers every second and has the alerts
// of deploy/ loaded.
type promServer struct {
	t   *testing.T
	url string
}

func (s *system) prometheus() *promServer {
	t := s.t
	t.Helper()
	program, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("prometheus is not installed: dashboard and alerts are not tried on a real one (Debian: apt-get install prometheus)")
	}
	rules, err := filepath.Abs("../../deploy/prometheus/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	config := fmt.Sprintf("global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}\nrule_files: [%q]\nscrape_configs:\n", rules)
	for job, addr := range map[string]string{"web": s.webAddr, "app": s.appAddr, "endpoint": s.consoleAddr} {
		config += fmt.Sprintf("- {job_name: tintype-%s, static_configs: [{targets: [%q]}]}\n", job, addr)
	}
	file := filepath.Join(dir, "prometheus.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	addr := freeAddr(t)
	p := startBin(t, program, cleanEnv(), "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+addr, "--log.level=warn")
	p.ready("http://" + addr + "/-/ready")
	return &promServer{t, "http://" + addr}
}

// ask evaluates an expression now.
func (p *promServer) ask(expr string) (series int, first string, err error) {
	var answer struct {
		Data struct {
			Result []struct {
				Metric map[string]string
				Value  [2]any
			}
		}
	}
	if err := getJSON(p.url+"/api/v1/query?query="+url.QueryEscape(expr), &answer); err != nil {
		return 0, "", err
	}
	if r := answer.Data.Result; len(r) > 0 {
		first, _ = r[0].Value[1].(string)
	}
	return len(answer.Data.Result), first, nil
}

// expressions are the dashboard's, as Grafana would ask them.
func expressions(t *testing.T) (all []string) {
	t.Helper()
	b, err := os.ReadFile("../../deploy/grafana/tintype.json")
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Panels     []struct{ Targets []struct{ Expr string } }
		Templating struct {
			List []struct{ Name, Query string }
		}
	}
	if err := json.Unmarshal(b, &d); err != nil {
		t.Fatal(err)
	}
	fill := []string{"$__rate_interval", "20s"}
	for _, v := range d.Templating.List {
		fill = append(fill, "$"+v.Name, v.Query)
	}
	for _, p := range d.Panels {
		for _, x := range p.Targets {
			all = append(all, strings.NewReplacer(fill...).Replace(x.Expr))
		}
	}
	return all
}

// TestPrometheusKnowsTheDashboard has a real Prometheus scrape real tiers at work, and asks it
// everything that dashboard and alerts ask.
func TestPrometheusKnowsTheDashboard(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.startEndpoint()
	s.provision()
	s.startApp("--presence", "1s")
	s.startWeb("--presence", "1s")
	p := s.prometheus()
	// Something must have happened before and after a scrape: else nothing has a rate.
	for n := range 2 {
		for key, body := range map[string][]byte{"photo": testimages.Photo(), "broken": []byte("this is no picture")} {
			if err := s.put(fmt.Sprintf("%s-%d.jpg", key, n), body, nil); err != nil {
				t.Fatal(err)
			}
		}
		s.drained("ImageApp")
		if n == 0 {
			eventually(t, "figures of the first images", func() error {
				if series, _, err := p.ask(`tintype_web_completions_total{status="failed"}`); err != nil || series == 0 {
					return errors.Join(err, errors.New("none yet"))
				}
				return nil
			})
		}
	}
	s.sendTo("ImageApp-dlq", "one that is no event")

	// Without the coupled architecture, uploads through the web tier, refused requests and AWS
	// in trouble these have nothing to tell. What they name is held against the program elsewhere.
	empty := regexp.MustCompile(`tintype_calls_|tintype_web_uploads_total|tintype_web_problems_total|tintype_aws_retries_total`)
	for _, expr := range expressions(t) {
		if empty.MatchString(expr) {
			if _, _, err := p.ask(expr); err != nil {
				t.Errorf("%s: %v", expr, err)
			}
			continue
		}
		eventually(t, expr, func() error {
			series, _, err := p.ask(expr)
			if err == nil && series == 0 {
				err = errors.New("no data")
			}
			return err
		})
	}

	var rules struct {
		Data struct {
			Groups []struct {
				Rules []struct{ Name, Query, Health, LastError, State string }
			}
		}
	}
	eventually(t, "a dead letter is an alert", func() error {
		if err := getJSON(p.url+"/api/v1/rules", &rules); err != nil {
			return err
		}
		for _, g := range rules.Data.Groups {
			for _, r := range g.Rules {
				if r.Name == "TintypeDeadLetters" && r.State != "inactive" {
					return nil
				}
			}
		}
		return errors.New("not yet")
	})
	n := 0
	for _, g := range rules.Data.Groups {
		for _, r := range g.Rules {
			n++
			if r.Health != "ok" {
				t.Errorf("%s: %s %s", r.Name, r.Health, r.LastError)
			}
			// All is well but for that dead letter, so most say nothing: what they look at must be there.
			for _, name := range slices.Compact(regexp.MustCompile(`\btintype_\w+`).FindAllString(r.Query, -1)) {
				if series, _, err := p.ask(name); err != nil || series == 0 {
					t.Errorf("%s: there is no %s: %v", r.Name, name, err)
				}
			}
		}
	}
	if n == 0 {
		t.Error("no alert was loaded")
	}
}
