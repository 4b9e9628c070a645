package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/tintype/tintype/internal/config"
	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/localaws"
	"github.com/tintype/tintype/internal/provision"
	"github.com/tintype/tintype/internal/store"
)

// awsEnvironment are the variables by which a person says which AWS is meant. Where
// none is set and the embedded endpoint runs on this machine, that is meant.
var awsEnvironment = []string{
	"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_SQS", "AWS_ENDPOINT_URL_SNS",
	"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE",
	"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
}

// loadAWS finds out which S3, SNS and SQS to speak to, and as whom.
func loadAWS(ctx context.Context, cfg config.Config, log *slog.Logger) (aws.Config, error) {
	endpoint := cfg.AWS.EndpointURL
	if endpoint == "" && !anySet(awsEnvironment) && isOurs(ctx, "http://"+cfg.Endpoint.Addr) {
		endpoint = "http://" + cfg.Endpoint.Addr
		log.Info("no AWS environment is set: using the endpoint on this machine", "url", endpoint)
	}
	c, err := awsconfig.LoadDefaultConfig(ctx, awsconfig.WithHTTPClient(httpClient()))
	if err != nil {
		return c, &fault.Error{Op: "read the AWS environment", Kind: fault.Permanent, Code: fault.CodeUnavailable, Message: "it is not usable",
			Hint: "check AWS_PROFILE and ~/.aws/config", Err: err}
	}
	// Not before: where AWS_CA_BUNDLE is set, the SDK changes its own client and no other.
	c.HTTPClient = wholeAnswers{c.HTTPClient}
	if endpoint != "" {
		c.BaseEndpoint = &endpoint
	} else {
		endpoint = aws.ToString(c.BaseEndpoint)
	}
	if isLoopback(endpoint) {
		// A local endpoint needs no account: what it expects by default serves where
		// nothing else is said.
		if c.Region == "" {
			c.Region = cfg.Endpoint.Region
		}
		if !anySet([]string{"AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_DEFAULT_PROFILE"}) {
			c.Credentials = credentials.NewStaticCredentialsProvider(cfg.Endpoint.AccessKey, cfg.Endpoint.SecretKey, "")
		}
	}
	if c.Region == "" {
		return c, &fault.Error{Op: "read the AWS environment", Kind: fault.Permanent, Code: fault.CodeUnavailable, Message: "no region is set",
			Hint: "set AWS_REGION, or start the local system with `tintype up`"}
	}
	return c, nil
}

// httpClient is the SDK's own, which gives up on a service that has gone silent. How often
// and how soon is tried again is left to the SDK's standard retryer with its token bucket,
// which the environment may change (AWS_RETRY_MODE, AWS_MAX_ATTEMPTS); ADR 24 says why it is
// not the adaptive one.
func httpClient() aws.HTTPClient { return impatient(awshttp.NewBuildableClient(), silence) }

func anySet(names []string) bool {
	for _, n := range names {
		if os.Getenv(n) != "" {
			return true
		}
	}
	return false
}

// isOurs asks whether the embedded endpoint answers at base.
func isOurs(ctx context.Context, base string) bool {
	ctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+localaws.HealthPath, nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	var answer struct{ Service string }
	return json.NewDecoder(io.LimitReader(resp.Body, 1<<10)).Decode(&answer) == nil && answer.Service == "tintype"
}

func isLoopback(base string) bool {
	u, err := url.Parse(base)
	if err != nil {
		return false
	}
	if u.Hostname() == "localhost" {
		return true
	}
	ip := net.ParseIP(u.Hostname())
	return ip != nil && ip.IsLoopback()
}

// deployment is the AWS side of a tier: clients, and where the resources are.
type deployment struct {
	aws     aws.Config
	clients provision.Clients
	store   *store.Store
	spec    provision.Spec
}

func openDeployment(cfg config.Config, c aws.Config) (*deployment, error) {
	d := &deployment{
		aws:     c,
		clients: provision.Clients{S3: store.NewClient(c), SNS: sns.NewFromConfig(c), SQS: sqs.NewFromConfig(c)},
		spec: provision.Spec{
			Region: c.Region, UploadsBucket: cfg.Names.Uploads(), ResultsBucket: cfg.Names.Results(),
			Queue: cfg.Names.Queue, DeadLetterQueue: cfg.Names.DeadLetterQueue,
			UploadTopic: cfg.Names.UploadTopic, CompletionTopic: cfg.Names.CompletionTopic,
			Origins: origins(cfg), Emails: cfg.Emails, KMSKey: cfg.KMSKey, Tags: cfg.Tags,
		},
	}
	if cfg.QueueVisibility != 0 {
		d.spec.QueueVisibility = strconv.Itoa(int(cfg.QueueVisibility / time.Second))
	}
	d.spec.PlainHTTP = isPlain(d.clients)
	var err error
	d.store, err = store.New(d.clients.S3, store.Options{
		UploadsBucket: d.spec.UploadsBucket, ResultsBucket: d.spec.ResultsBucket, PublicURL: cfg.AWS.PublicS3URL,
	})
	return d, err
}

// isPlain says whether one of the services is reached without TLS.
func isPlain(c provision.Clients) bool {
	for _, base := range []*string{c.S3.Options().BaseEndpoint, c.SNS.Options().BaseEndpoint, c.SQS.Options().BaseEndpoint} {
		if strings.HasPrefix(aws.ToString(base), "http://") {
			return true
		}
	}
	return false
}

// find looks the resources up, waiting for as long as nobody answers: a tier may be
// started before the endpoint it speaks to. A refusal ends the wait.
func (d *deployment) find(ctx context.Context, log *slog.Logger) (provision.Resources, error) {
	return retried(ctx, log, func() (provision.Resources, error) { return provision.Find(ctx, d.clients, d.spec) })
}

// retried repeats what nobody answers to until somebody does.
func retried[T any](ctx context.Context, log *slog.Logger, ask func() (T, error)) (T, error) {
	said := false
	for {
		answer, err := ask()
		if err == nil || fault.KindOf(err) != fault.Retry || ctx.Err() != nil {
			return answer, err
		}
		if !said {
			log.Warn("the AWS endpoint does not answer; waiting for it", "err", err, "hint", fault.HintOf(err))
			said = true
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// origins are those that the page can be opened under: of a loopback or wildcard
// address both names of this machine, since browsers tell them apart.
func origins(cfg config.Config) []string {
	scheme := "http"
	if cfg.Web.Access.TLSCert != "" {
		scheme = "https"
	}
	host, port, err := net.SplitHostPort(cfg.Web.Addr)
	if err != nil {
		return pageOrigins(cfg)
	}
	out := []string{}
	ip := net.ParseIP(host)
	if host == "" || host == "localhost" || ip != nil && (ip.IsLoopback() || ip.IsUnspecified()) {
		out = append(out, fmt.Sprintf("%s://127.0.0.1:%s", scheme, port), fmt.Sprintf("%s://localhost:%s", scheme, port))
	} else {
		out = append(out, scheme+"://"+net.JoinHostPort(host, port))
	}
	return append(out, pageOrigins(cfg)...)
}
