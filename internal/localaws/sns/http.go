package sns

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/tintype/tintype/internal/localaws/db"
)

// maxAnswer bounds what is read of a subscriber's answer, only to reuse the connection.
const maxAnswer = 64 << 10

// newHTTPClient makes the client for HTTP subscribers: 15 s for an answer, as SNS
// allows, and no redirects, which SNS does not follow.
func newHTTPClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 4, IdleConnTimeout: 30 * time.Second, TLSHandshakeTimeout: 10 * time.Second},
		Timeout:   15 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}
}

// httpDelivery posts messages as SNS does (Amazon SNS Developer Guide, "Parsing Amazon
// SNS message formats": headers). Any 2xx is success; a 4xx other than 408 and 429
// cannot get better by trying again.
func httpDelivery(client *http.Client) deliverFunc {
	return func(ctx context.Context, d *delivery) (func(*db.Tx) error, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.endpoint, strings.NewReader(d.body))
		if err != nil {
			return nil, &permanentError{failure{"InvalidEndpoint", err.Error()}}
		}
		h := req.Header
		h.Set("Content-Type", d.contentType)
		h.Set("User-Agent", "Amazon Simple Notification Service Agent")
		h.Set("Accept-Encoding", "gzip,deflate")
		h.Set("Connection", "Keep-Alive")
		h.Set("x-amz-sns-message-type", d.kind)
		h.Set("x-amz-sns-message-id", d.messageID)
		h.Set("x-amz-sns-topic-arn", d.topic)
		if d.kind == typeNotification {
			h.Set("x-amz-sns-subscription-arn", d.subscription)
		}
		if d.raw {
			h.Set("x-amz-sns-rawdelivery", "true")
		}
		resp, err := client.Do(req)
		if err != nil {
			return nil, fmt.Errorf("post to the subscriber: %w", err)
		}
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer))
		_ = resp.Body.Close()
		switch code := resp.StatusCode; {
		case code/100 == 2:
			return nil, nil
		case code/100 == 4 && code != http.StatusRequestTimeout && code != http.StatusTooManyRequests:
			return nil, &permanentError{failure{fmt.Sprint(code), "the subscriber answered " + resp.Status}}
		default:
			return nil, fmt.Errorf("the subscriber answered %s", resp.Status)
		}
	}
}
