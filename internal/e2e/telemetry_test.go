package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/tintype/tintype/internal/awstest"
	"github.com/tintype/tintype/internal/store"
	"github.com/tintype/tintype/internal/testimages"
)

// TestTelemetry follows images through three processes by what those tell: one trace from the
// upload's request to the push to the browser, the figures of every tier, and logs that hold ids
// and no secrets.
func TestTelemetry(t *testing.T) {
	t.Parallel()
	const accessKey, secret, otlpToken = "AKIATELEMETRYTEST", "very-secret-key-8d1f", "otlp-token-77aa"
	traces := newOTLP(t)
	s := newSystem(t)
	s.env = append(s.env, "AWS_ACCESS_KEY_ID="+accessKey, "AWS_SECRET_ACCESS_KEY="+secret,
		"OTEL_EXPORTER_OTLP_ENDPOINT="+traces.URL, "OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer "+otlpToken, "OTEL_BSP_SCHEDULE_DELAY=100")
	s.s3 = s3.NewFromConfig(aws.Config{Region: "us-east-1", BaseEndpoint: &s.url, Credentials: credentials.NewStaticCredentialsProvider(accessKey, secret, "")},
		func(o *s3.Options) { o.UsePathStyle = true })
	logs := []string{"--log-level", "debug", "--log-format", "json"}
	endpoint := s.startEndpoint(append(logs, "--access-key", accessKey, "--secret-key", secret)...)
	s.provision("--email", "somebody@example.org")
	app := s.startApp(append(logs, "--workers", "1")...)
	web := s.startWeb(append(logs, "--access-log")...)
	events := listen(t, s.web())

	// One image by a presigned POST, as part of a trace that the client has begun.
	const ours = "4bf92f3577b34da6a3ce929d0e0e4736"
	photo := testimages.Photo()
	id, formURL, fields := s.handedOut(photo, map[string]string{"traceparent": "00-" + ours + "-00f067aa0ba902b7-01", "tracestate": "vendor=state-77", "baggage": "user=baggage-77"})
	if !strings.Contains(fields["x-amz-meta-traceparent"], ours) {
		t.Errorf("the form says %q of the trace", fields["x-amz-meta-traceparent"])
	}
	forged := map[string]string{}
	for k, v := range fields {
		forged[k] = v
	}
	forged["x-amz-meta-traceparent"] = "00-11111111111111111111111111111111-1111111111111111-01"
	if code, _ := post(t, formURL, forged, "a.jpg", photo); code != http.StatusForbidden {
		t.Errorf("a form with another trace is answered %d", code)
	}
	if code, answer := post(t, formURL, fields, "a.jpg", photo); code/100 != 2 {
		t.Fatalf("the form is answered %d %v", code, answer)
	}
	eventually(t, "the browser hears of it", func() error { return events.heard(id, "done") })
	checkTrace(t, traces, ours, id)

	// Another program's image has a trace of its own; one that fails says so, by its code.
	if err := s.put("from/outside.jpg", photo, nil); err != nil {
		t.Fatal(err)
	}
	bad := s.putTraced("from/bad.jpg", []byte("no image at all"), "not a traceparent")
	for name, want := range map[string]string{store.IDForKey("from/outside.jpg"): "done", bad: "failed"} {
		eventually(t, "the browser hears of "+name, func() error { return events.heard(name, want) })
	}
	for name, image := range map[string]string{"another program's": store.IDForKey("from/outside.jpg"), "one with junk for a trace": bad} {
		var root []span
		eventually(t, "the trace of "+name, func() error {
			root = traces.of(func(s span) bool { return s.name == "image" && s.attrs["tintype.image.id"] == image })
			if len(root) != 1 || len(traces.trace(root[0].trace).byPath["image > announce > completion > sse push"]) != 1 {
				return fmt.Errorf("%+v", root)
			}
			return nil
		})
		if root[0].parent != "" || root[0].trace == ours {
			t.Errorf("%s: %+v", name, root[0])
		}
	}

	// What goes wrong must not tell secrets either: wrong credentials, presigned URLs that are asked for.
	if _, _, code := tintype(t, append(s.env, "AWS_SECRET_ACCESS_KEY=wrong-"+secret), "upload", writeFile(t, "a.jpg", photo)); code == 0 {
		t.Error("an upload with a wrong secret succeeds")
	}
	noRedirect := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := noRedirect.Get(s.web() + "/api/images/" + id + "/outputs/full")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	signature := regexp.MustCompile(`X-Amz-Signature=([0-9a-f]{64})`).FindStringSubmatch(resp.Header.Get("Location"))
	if signature == nil {
		t.Fatalf("%s, %q", resp.Status, resp.Header.Get("Location"))
	}
	if resp, err = http.Get(resp.Header.Get("Location")); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%v %v", resp, err)
	}
	resp.Body.Close()
	if err := getJSON(s.web()+"/api/images/nothing", &struct{}{}); err == nil {
		t.Error("an image is there that nobody has sent")
	}
	checkMetrics(t, map[string]string{"web": s.web(), "app": s.app(), "endpoint": s.console()})

	// The last spans and lines are there once the processes have ended.
	for _, p := range []*process{web, app, endpoint} {
		if code := p.stop(syscall.SIGTERM); code != 0 {
			t.Errorf("%s: exit %d", p.name, code)
		}
	}
	traces.mu.Lock()
	told := traces.raw.String()
	for _, h := range traces.headers {
		if h != "Bearer "+otlpToken {
			t.Errorf("the receiver was told %q", h)
		}
	}
	traces.mu.Unlock()
	secrets := []string{secret, otlpToken, signature[1], fields["X-Amz-Signature"], fields["policy"], "baggage-77", "state-77", "X-Amz-Signature="}
	for where, text := range map[string]string{"web's log": web.out.String(), "app's log": app.out.String(), "the endpoint's log": endpoint.out.String(), "the traces": told} {
		for _, secret := range secrets {
			if secret == "" || strings.Contains(text, secret) {
				t.Errorf("%s holds %q", where, secret)
			}
		}
	}
	checkLogs(t, app.out.String(), id, ours)
	if !strings.Contains(web.out.String(), `"msg":"request","tier":"web"`) || !strings.Contains(web.out.String(), `"route":"/api/images/{id}/outputs/{name}","status":302`) {
		t.Errorf("the web tier's log lacks its requests:\n%s", tailOf(web.out.String(), 20))
	}
}

// checkTrace holds an image's trace to what it should be.
func checkTrace(t *testing.T, traces *otlp, trace, image string) {
	t.Helper()
	want := map[string]string{ // and the service that each is of
		"upload":                                            "tintype-web",
		"upload > queue wait":                               "tintype-app",
		"upload > image":                                    "tintype-app",
		"upload > image > fetch":                            "tintype-app",
		"upload > image > fetch > S3.GetObject":             "tintype-app",
		"upload > image > process":                          "tintype-app",
		"upload > image > store":                            "tintype-app",
		"upload > image > store > S3.PutObject":             "tintype-app",
		"upload > image > commit":                           "tintype-app",
		"upload > image > commit > S3.PutObject":            "tintype-app",
		"upload > image > announce":                         "tintype-app",
		"upload > image > announce > SNS.Publish":           "tintype-app",
		"upload > image > announce > completion":            "tintype-web",
		"upload > image > announce > completion > sse push": "tintype-web",
	}
	var f family
	eventually(t, "the whole trace", func() error {
		f = traces.trace(trace)
		for path := range want {
			if len(f.byPath[path]) == 0 {
				slices.Sort(f.paths)
				return fmt.Errorf("no %q in\n%s", path, strings.Join(f.paths, "\n"))
			}
		}
		return nil
	})
	for path, service := range want {
		for _, s := range f.byPath[path] {
			if s.service != service || s.code != "" && s.attrs["rpc.method"] == "" || s.ended.Before(s.began) {
				t.Errorf("%s: %+v", path, s)
			}
		}
	}
	one := func(path string) span { return f.byPath[path][0] }
	if u := one("upload"); u.parent != "00f067aa0ba902b7" || u.attrs["tintype.image.id"] != image || u.attrs["http.response.status_code"] != "201" {
		t.Errorf("%+v", u)
	}
	if n := len(f.byPath["upload > image > store"]); n != 3 {
		t.Errorf("%d outputs are stored", n)
	}
	p := one("upload > image > process")
	if p.attrs["tintype.recipe"] != "tint" || p.attrs["tintype.engine"] != "fused" || p.attrs["tintype.source.format"] != "jpeg" || p.attrs["tintype.source.pixels"] == "" || p.attrs["process.pid"] == "" || p.attrs["process.pid"] == "0" {
		t.Errorf("%+v", p.attrs)
	}
	if wait, fetch := one("upload > queue wait"), one("upload > image > fetch"); wait.ended.After(fetch.began) {
		t.Errorf("the wait ends %v after the fetch begins", wait.ended.Sub(fetch.began))
	}
}

// documented are the metrics of docs/operate.md.
func documented(t *testing.T) map[string][]string {
	t.Helper()
	b, err := os.ReadFile("../../docs/operate.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string][]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(tintype_[a-z_]+)` \\| (\\w+) \\|([^|]*)\\|([^|]*)\\|").FindAllStringSubmatch(string(b), -1) {
		rows[m[1]] = m[2:]
	}
	if len(rows) < 60 {
		t.Fatalf("the table in docs/operate.md cannot be read: %d rows", len(rows))
	}
	return rows
}

// scraped is what a server that scrapes is told, by the official parser.
func scraped(t *testing.T, url string) map[string]*dto.MetricFamily {
	t.Helper()
	resp, err := http.Get(url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %v", resp.Status, err)
	}
	problems, err := promlint.New(bytes.NewReader(body)).Lint()
	if err != nil {
		t.Error(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s: %s", url, p.Metric, p.Text)
	}
	families := map[string]*dto.MetricFamily{}
	dec := expfmt.NewDecoder(bytes.NewReader(body), expfmt.ResponseFormat(resp.Header))
	for {
		f := &dto.MetricFamily{}
		if err := dec.Decode(f); errors.Is(err, io.EOF) {
			return families
		} else if err != nil {
			t.Fatalf("%s: %v", url, err)
		}
		families[f.GetName()] = f
	}
}

// checkMetrics holds what each process tells to its documentation.
func checkMetrics(t *testing.T, at map[string]string) {
	t.Helper()
	docs := documented(t)
	for tier, url := range at {
		families := scraped(t, url)
		series := 0
		for name, f := range families {
			series += len(f.Metric)
			row := docs[name]
			if !strings.HasPrefix(name, "tintype_") {
				continue
			}
			if row == nil {
				t.Errorf("%s tells %s, which docs/operate.md does not have", tier, name)
				continue
			}
			if kind := strings.ToLower(f.GetType().String()); kind != row[0] {
				t.Errorf("%s: %s is a %s, by docs/operate.md a %s", tier, name, kind, row[0])
			}
			if !told(row[2], tier) {
				t.Errorf("%s tells %s, which docs/operate.md says only of %s", tier, name, row[2])
			}
			for _, m := range f.Metric {
				for _, l := range m.Label {
					if !strings.Contains(row[1], "`"+l.GetName()+"`") {
						t.Errorf("%s: %s has the label %s, docs/operate.md has %q", tier, name, l.GetName(), row[1])
					}
				}
			}
		}
		for name, row := range docs {
			// What only some event brings to be is not there yet.
			if told(row[2], tier) && families[name] == nil && !slices.Contains([]string{"tintype_aws_retries_total", "tintype_queue_oldest_message_age_seconds"}, name) {
				t.Errorf("%s does not tell %s", tier, name)
			}
		}
		if families["go_goroutines"] == nil || families["process_cpu_seconds_total"] == nil {
			t.Errorf("%s does not tell of its process", tier)
		}
		t.Logf("%s: %d metrics, %d series", tier, len(families), series)
	}
}

// told reports whether a cell "web, app" names a tier.
func told(cell, tier string) bool {
	return strings.TrimSpace(cell) == "all" && tier != "endpoint" || slices.Contains(strings.Split(strings.TrimSpace(cell), ", "), tier)
}

// checkLogs holds the lines about an image to the ids that they should have.
func checkLogs(t *testing.T, log, image, trace string) {
	t.Helper()
	lines := 0
	for line := range strings.Lines(log) {
		if !strings.Contains(line, image) {
			continue
		}
		var l map[string]any
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Errorf("%v in %s", err, line)
			continue
		}
		lines++
		if l["image"] != image || l["trace_id"] != trace || l["span_id"] == nil || l["message"] == nil || l["tier"] != "app" || l["instance"] == nil {
			t.Errorf("a line lacks an id: %s", line)
		}
	}
	if lines == 0 {
		t.Errorf("no line names the image %s:\n%s", image, log)
	}
}

// handedOut is presigned with headers of one's own.
func (s *system) handedOut(file []byte, headers map[string]string) (id, url string, fields map[string]string) {
	s.t.Helper()
	b, _ := json.Marshal(map[string]any{"filename": "a.jpg", "size": len(file), "contentType": "image/jpeg"})
	req, _ := http.NewRequest(http.MethodPost, s.web()+"/api/uploads", bytes.NewReader(b))
	req.Header.Set("Content-Type", "application/json")
	for k, v := range headers {
		req.Header.Set(k, v)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct {
		ID, URL string
		Fields  map[string]string
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || resp.StatusCode != http.StatusCreated {
		s.t.Fatalf("%s %v", resp.Status, err)
	}
	return answer.ID, answer.URL, answer.Fields
}

// putTraced puts an object that says what trace it is of.
func (s *system) putTraced(key string, body []byte, traceparent string) (id string) {
	s.t.Helper()
	_, err := s.s3.PutObject(context.Background(), &s3.PutObjectInput{Bucket: aws.String("tintype-uploads"), Key: &key, Body: bytes.NewReader(body),
		Metadata: map[string]string{"traceparent": traceparent}})
	if err != nil {
		s.t.Fatal(err)
	}
	return store.IDForKey(key)
}

// TestTraceElsewhere is one image's trace through tiers on an endpoint that is not ours.
func TestTraceElsewhere(t *testing.T) {
	t.Parallel()
	awstest.Each(t, func(t *testing.T, endpoint string) {
		if strings.HasSuffix(t.Name(), "/embedded") {
			t.Skip("TestTelemetry has it")
		}
		traces := newOTLP(t)
		s := newSystem(t)
		s.at(endpoint)
		s.env = append(s.env, "OTEL_BSP_SCHEDULE_DELAY=100")
		s.provision()
		s.startApp("--traces", traces.URL)
		s.startWeb("--traces", traces.URL)
		events := listen(t, s.web())
		const ours = "5bf92f3577b34da6a3ce929d0e0e4736"
		photo := testimages.Photo()
		id, url, fields := s.handedOut(photo, map[string]string{"traceparent": "00-" + ours + "-00f067aa0ba902b7-01"})
		if code, answer := post(t, url, fields, "a.jpg", photo); code/100 != 2 {
			t.Fatalf("the form is answered %d %v", code, answer)
		}
		eventually(t, "the browser hears of it", func() error { return events.heard(id, "done") })
		checkTrace(t, traces, ours, id)
	})
}
