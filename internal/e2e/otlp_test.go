package e2e

import (
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	"google.golang.org/protobuf/proto"
)

// span is a span as a receiver gets it.
type span struct {
	service, name, trace, id, parent, code string
	began, ended                           time.Time
	attrs                                  map[string]string
	links                                  int
}

// otlp is a receiver of traces, as a collector is one.
type otlp struct {
	*httptest.Server
	mu      sync.Mutex
	spans   []span
	headers []string // of the requests: authorization
	raw     strings.Builder
}

func newOTLP(t *testing.T) *otlp {
	o := &otlp{}
	o.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var in collector.ExportTraceServiceRequest
		if err == nil {
			err = proto.Unmarshal(body, &in)
		}
		if err != nil || r.URL.Path != "/v1/traces" {
			t.Errorf("%s: %v", r.URL.Path, err)
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		o.headers = append(o.headers, r.Header.Get("Authorization"))
		o.raw.Write(body)
		for _, rs := range in.ResourceSpans {
			service := attributes(rs.Resource.Attributes)["service.name"]
			for _, ss := range rs.ScopeSpans {
				for _, p := range ss.Spans {
					o.spans = append(o.spans, span{service: service, name: p.Name, trace: hex.EncodeToString(p.TraceId), id: hex.EncodeToString(p.SpanId),
						parent: hex.EncodeToString(p.ParentSpanId), code: p.Status.GetMessage(), attrs: attributes(p.Attributes), links: len(p.Links),
						began: time.Unix(0, int64(p.StartTimeUnixNano)), ended: time.Unix(0, int64(p.EndTimeUnixNano))})
				}
			}
		}
		out, _ := proto.Marshal(&collector.ExportTraceServiceResponse{})
		w.Header().Set("Content-Type", "application/x-protobuf")
		w.Write(out)
	}))
	t.Cleanup(o.Close)
	return o
}

func attributes(in []*commonpb.KeyValue) map[string]string {
	out := map[string]string{}
	for _, a := range in {
		switch v := a.Value.Value.(type) {
		case *commonpb.AnyValue_StringValue:
			out[a.Key] = v.StringValue
		case *commonpb.AnyValue_IntValue:
			out[a.Key] = fmt.Sprint(v.IntValue)
		case *commonpb.AnyValue_DoubleValue:
			out[a.Key] = fmt.Sprint(v.DoubleValue)
		}
	}
	return out
}

// of are the spans so far for which ok says yes.
func (o *otlp) of(ok func(span) bool) (found []span) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, s := range o.spans {
		if ok(s) {
			found = append(found, s)
		}
	}
	return found
}

// family is one trace, by the path of names that leads to each span.
type family struct {
	byPath map[string][]span
	paths  []string
}

// trace arranges the spans of one trace. A span whose parent is not among them is a root.
func (o *otlp) trace(id string) family {
	all := o.of(func(s span) bool { return s.trace == id })
	byID := map[string]span{}
	for _, s := range all {
		byID[s.id] = s
	}
	f := family{byPath: map[string][]span{}}
	for _, s := range all {
		path := s.name
		for p, ok := byID[s.parent]; ok; p, ok = byID[p.parent] {
			path = p.name + " > " + path
		}
		f.byPath[path] = append(f.byPath[path], s)
		f.paths = append(f.paths, path)
	}
	return f
}
