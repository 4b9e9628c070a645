package app

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// healthWait bounds the whole of a health check.
const healthWait = 5 * time.Second

// Healthcheck asks a URL once and fails unless it answers 200: for containers, whose images
// have no other program that could ask.
func Healthcheck(ctx context.Context, out IO, url string) error {
	if !strings.HasPrefix(url, "http://") && !strings.HasPrefix(url, "https://") {
		return &BadSetting{fmt.Errorf("%q is no URL such as http://127.0.0.1:8010/healthz", url)}
	}
	ctx, cancel := context.WithTimeout(ctx, healthWait)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return &BadSetting{err}
	}
	transport := &http.Transport{DisableKeepAlives: true} // and no proxy: it is this machine that is asked
	if isLoopback(url) {
		// The certificate is for the name that browsers use. Nothing is sent, and what is on
		// this machine proves nothing by it.
		transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
	}
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		return refuse("see the log of what should be there", "%s does not answer: %v", url, err)
	}
	defer resp.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	text := strings.TrimSpace(strings.ToValidUTF8(string(said), "?"))
	if resp.StatusCode != http.StatusOK {
		return refuse("see the log of what should be there", "%s answers %s: %.200s", url, resp.Status, text)
	}
	fmt.Fprintf(out.Out, "%s: %.200s\n", url, text)
	return nil
}
