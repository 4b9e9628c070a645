package sns

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Delivery policies say how deliveries over HTTP are tried again (Amazon SNS Developer
// Guide, "Creating an HTTP/S delivery policy"). Topics and subscriptions spell the same
// parts differently. A part that is null or absent is the topic's or the default one.

// retryPolicy says how often and when; delays are in seconds.
type retryPolicy struct {
	MinDelayTarget     *int    `json:"minDelayTarget,omitempty"`
	MaxDelayTarget     *int    `json:"maxDelayTarget,omitempty"`
	NumRetries         *int    `json:"numRetries,omitempty"`
	NumMaxDelayRetries *int    `json:"numMaxDelayRetries,omitempty"`
	NumNoDelayRetries  *int    `json:"numNoDelayRetries,omitempty"`
	NumMinDelayRetries *int    `json:"numMinDelayRetries,omitempty"`
	BackoffFunction    *string `json:"backoffFunction,omitempty"`
}

type throttlePolicy struct {
	MaxReceivesPerSecond *int `json:"maxReceivesPerSecond"`
}

type requestPolicy struct {
	HeaderContentType *string `json:"headerContentType"`
}

// topicDelivery is a topic's policy; its JSON has all this under "http".
type topicDelivery struct {
	Retry            *retryPolicy    `json:"defaultHealthyRetryPolicy,omitempty"`
	DisableOverrides bool            `json:"disableSubscriptionOverrides"`
	Throttle         *throttlePolicy `json:"defaultThrottlePolicy,omitempty"`
	Request          *requestPolicy  `json:"defaultRequestPolicy,omitempty"`
}

// subscriptionDelivery is a subscription's policy, with the members that AWS shows
// even where they are null.
type subscriptionDelivery struct {
	Retry      *retryPolicy    `json:"healthyRetryPolicy"`
	Sickly     *retryPolicy    `json:"sicklyRetryPolicy"`
	Throttle   *throttlePolicy `json:"throttlePolicy"`
	Request    *requestPolicy  `json:"requestPolicy"`
	Guaranteed bool            `json:"guaranteed"`
}

// Bounds of delivery policies.
const (
	maxRetries     = 100
	longestDelay   = 3600 // seconds; also of all delays together
	defaultContent = "text/plain; charset=UTF-8"
)

var backoffFunctions = []string{"linear", "arithmetic", "geometric", "exponential"}

// contentTypes are what a request policy may ask for.
var contentTypes = []string{
	"text/plain", "text/html", "text/css", "text/csv", "text/xml", "application/json", "application/octet-stream", "application/soap+xml",
	"application/x-www-form-urlencoded", "application/xhtml+xml", "application/atom+xml", "application/xml",
}

// parseTopicDelivery reads a topic's policy. The problem it returns has AWS's words.
func parseTopicDelivery(text string) (*topicDelivery, string) {
	if isEmptyObject(text) {
		return nil, ""
	}
	var p struct {
		HTTP *topicDelivery `json:"http"`
	}
	if problem := decodePolicy(text, &p); problem != "" {
		return nil, problem
	}
	if p.HTTP == nil {
		return nil, "http must be specified"
	}
	return p.HTTP, firstProblem(
		p.HTTP.Retry.problem("http.defaultHealthyRetryPolicy"),
		p.HTTP.Throttle.problem("http.defaultThrottlePolicy"),
		p.HTTP.Request.problem("http.defaultRequestPolicy"))
}

// parseSubscriptionDelivery reads a subscription's policy.
func parseSubscriptionDelivery(text string) (*subscriptionDelivery, string) {
	if isEmptyObject(text) {
		return nil, ""
	}
	p := &subscriptionDelivery{}
	if problem := decodePolicy(text, p); problem != "" {
		return nil, problem
	}
	return p, firstProblem(
		p.Retry.problem("healthyRetryPolicy"), p.Sickly.problem("sicklyRetryPolicy"),
		p.Throttle.problem("throttlePolicy"), p.Request.problem("requestPolicy"))
}

func decodePolicy(text string, into any) string {
	dec := json.NewDecoder(strings.NewReader(text))
	dec.DisallowUnknownFields()
	err := dec.Decode(into)
	if err == nil && dec.More() {
		return "failed to parse JSON. something follows the object"
	}
	if err == nil {
		return ""
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return "unrecognized JSON member: " + strings.Trim(name, `"`)
	}
	return "failed to parse JSON. " + strings.TrimPrefix(err.Error(), "json: ")
}

func firstProblem(problems ...string) string {
	i := slices.IndexFunc(problems, func(p string) bool { return p != "" })
	if i < 0 {
		return ""
	}
	return problems[i]
}

func (r *retryPolicy) problem(path string) string {
	if r == nil {
		return ""
	}
	for _, f := range []struct {
		name     string
		value    *int
		required bool
		min, max int
	}{
		{"numRetries", r.NumRetries, true, 0, maxRetries},
		{"minDelayTarget", r.MinDelayTarget, true, 1, longestDelay},
		{"maxDelayTarget", r.MaxDelayTarget, true, 1, longestDelay},
		{"numNoDelayRetries", r.NumNoDelayRetries, false, 0, maxRetries},
		{"numMinDelayRetries", r.NumMinDelayRetries, false, 0, maxRetries},
		{"numMaxDelayRetries", r.NumMaxDelayRetries, false, 0, maxRetries},
	} {
		switch {
		case f.value == nil && f.required:
			return path + "." + f.name + " must be specified"
		case f.value == nil:
		case *f.value < f.min:
			return fmt.Sprintf("%s.%s must be greater than or equal to %d", path, f.name, f.min)
		case *f.value > f.max:
			return fmt.Sprintf("%s.%s must be less than or equal to %d", path, f.name, f.max)
		}
	}
	if r.BackoffFunction != nil && !slices.Contains(backoffFunctions, *r.BackoffFunction) {
		return path + ".backoffFunction must be one of " + strings.Join(backoffFunctions, ", ")
	}
	full := r.withDefaults()
	total := 0.0
	for n := range *full.NumRetries {
		total += full.pause(n).Seconds()
	}
	switch {
	case *r.MinDelayTarget > *r.MaxDelayTarget:
		return path + ".maxDelayTarget must be greater than or equal to minDelayTarget"
	case *full.NumNoDelayRetries+*full.NumMinDelayRetries+*full.NumMaxDelayRetries > *full.NumRetries:
		return path + ".numRetries must be greater than or equal to total of numMinDelayRetries, numNoDelayRetries and numMaxDelayRetries"
	case total > longestDelay:
		return fmt.Sprintf("%s: all delays together must be less than or equal to %d seconds", path, longestDelay)
	}
	return ""
}

func (p *throttlePolicy) problem(path string) string {
	switch {
	case p == nil:
		return ""
	case p.MaxReceivesPerSecond == nil:
		return path + ".maxReceivesPerSecond must be specified"
	case *p.MaxReceivesPerSecond < 1:
		return path + ".maxReceivesPerSecond must be greater than or equal to 1"
	}
	return ""
}

func (p *requestPolicy) problem(path string) string {
	if p == nil || p.HeaderContentType == nil {
		return ""
	}
	kind, _, _ := strings.Cut(*p.HeaderContentType, ";")
	if !slices.Contains(contentTypes, strings.TrimSpace(kind)) || strings.ContainsAny(*p.HeaderContentType, "\r\n") {
		return path + ".headerContentType: " + *p.HeaderContentType + " is not supported"
	}
	return ""
}

// withDefaults fills in what is not set. A nil policy is the default one: three
// retries, 20 s apart.
func (r *retryPolicy) withDefaults() *retryPolicy {
	out := &retryPolicy{}
	if r != nil {
		*out = *r
	}
	fill := func(p **int, value int) {
		if *p == nil {
			*p = &value
		}
	}
	fill(&out.MinDelayTarget, 20)
	fill(&out.MaxDelayTarget, 20)
	fill(&out.NumRetries, 3)
	fill(&out.NumMaxDelayRetries, 0)
	fill(&out.NumNoDelayRetries, 0)
	fill(&out.NumMinDelayRetries, 0)
	if out.BackoffFunction == nil {
		linear := "linear"
		out.BackoffFunction = &linear
	}
	return out
}

func (p *requestPolicy) withDefault() *requestPolicy {
	if p != nil && p.HeaderContentType != nil {
		return p
	}
	plain := defaultContent
	return &requestPolicy{&plain}
}

// shown is the policy as GetTopicAttributes shows it: what was set.
func (p *topicDelivery) shown() string {
	if p == nil {
		return ""
	}
	return compactJSON(map[string]any{"http": p})
}

// effective is the policy with everything that was not set.
func (p *topicDelivery) effective() string {
	full := topicDelivery{}
	if p != nil {
		full = *p
	}
	full.Retry, full.Request = full.Retry.withDefaults(), full.Request.withDefault()
	return compactJSON(map[string]any{"http": full})
}

func (p *subscriptionDelivery) shown() string {
	if p == nil {
		return ""
	}
	out := *p
	if out.Retry != nil {
		out.Retry = out.Retry.withDefaults()
	}
	return compactJSON(out)
}

// compactJSON writes a policy, which cannot fail, with < > & left as they are.
func compactJSON(v any) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v)
	return strings.TrimSuffix(b.String(), "\n")
}

// delivery is the topic's policy as set; nil if none was.
func (t *topic) delivery() *topicDelivery {
	p, _ := parseTopicDelivery(t.attrs["DeliveryPolicy"]) // checked when it was set
	return p
}

// delivery is what holds for the subscription's deliveries over HTTP.
func (sub *subscription) delivery(t *topic) *subscriptionDelivery {
	own, _ := parseSubscriptionDelivery(sub.attrs["DeliveryPolicy"]) // checked when it was set
	all := t.delivery()
	if all == nil {
		all = &topicDelivery{}
	}
	if own == nil || all.DisableOverrides {
		own = &subscriptionDelivery{}
	}
	out := *own
	if out.Retry == nil {
		out.Retry = all.Retry
	}
	if out.Throttle == nil {
		out.Throttle = all.Throttle
	}
	if out.Request == nil {
		out.Request = all.Request
	}
	out.Retry, out.Request = out.Retry.withDefaults(), out.Request.withDefault()
	return &out
}
