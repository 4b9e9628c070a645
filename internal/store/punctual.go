package store

import (
	"context"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/tintype/tintype/internal/awsclock"
)

// punctual presigns by S3's clock instead of ours. The SDK corrects a wrong clock when a
// request is refused for it and can be sent again; what is presigned is sent by somebody
// else, once, and on a host whose clock is some minutes off it would be refused as
// expired, or as not valid yet.
type punctual struct {
	s3.HTTPPresignerV4
	clock *awsclock.Clock
}

func (p punctual) PresignHTTP(ctx context.Context, c aws.Credentials, r *http.Request, hash, service, region string, at time.Time, opts ...func(*v4.SignerOptions)) (string, http.Header, error) {
	return p.HTTPPresignerV4.PresignHTTP(ctx, c, r, hash, service, region, at.Add(p.clock.Ahead()), opts...)
}

// punctualPost is the same for forms.
type punctualPost struct {
	inner s3.PresignPost
	clock *awsclock.Clock
}

func (p punctualPost) PresignPost(c aws.Credentials, bucket, key, region, service string, at time.Time, conditions []any, expires time.Time, opts ...func(*v4.SignerOptions)) (map[string]string, error) {
	return p.inner.PresignPost(c, bucket, key, region, service, at.Add(p.clock.Ahead()), conditions, expires.Add(p.clock.Ahead()), opts...)
}
