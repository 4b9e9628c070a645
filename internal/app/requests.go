package app

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go/middleware"

	"github.com/tintype/tintype/deploy/prices"
)

// requests counts what is asked of AWS, repetitions included.
type requests struct {
	mu     sync.Mutex
	counts map[string]int64 // by operation
}

// priceOf is what one request costs on AWS, in USD, in us-east-1. S3's are those of the storage
// class Standard.
func priceOf(p prices.Table, op string) float64 {
	switch op {
	case "DeleteObject", "DeleteObjects":
		return 0
	case "ListObjectsV2", "PutObject", "CopyObject":
		return p.S3PutPerThousand / 1000
	case "GetObject", "HeadObject":
		return p.S3GetPerThousand / 1000
	}
	return p.SQS(1)
}

// counted makes c count its requests, and be patient: commands that work for hours must
// outlast an endpoint's short trouble.
func counted(c aws.Config) (aws.Config, *requests) {
	r := &requests{counts: map[string]int64{}}
	c.APIOptions = append(slices.Clone(c.APIOptions), func(stack *middleware.Stack) error {
		// After the retries' place in the stack: each attempt passes here.
		return stack.Finalize.Add(middleware.FinalizeMiddlewareFunc("CountRequests", func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
			r.mu.Lock()
			r.counts[awsmiddleware.GetOperationName(ctx)]++
			r.mu.Unlock()
			return next.HandleFinalize(ctx, in)
		}), middleware.After)
	})
	c.Retryer = func() aws.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts, o.MaxBackoff = 8, 5*time.Second
			// Many at once fail together where the endpoint does; a shared budget would be
			// used up at once.
			o.RateLimiter = ratelimit.None
		})
	}
	return c, r
}

// add counts n requests that are still to come, for an estimate.
func (r *requests) add(op string, n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts[op] += n
}

// snapshot are the counts by operation, and what they cost on AWS, in USD.
func (r *requests) snapshot() (counts map[string]int64, cost float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := prices.Builtin()
	for op, n := range r.counts {
		cost += float64(n) * priceOf(p, op)
	}
	return maps.Clone(r.counts), cost
}

// String is the line about costs.
func (r *requests) String() string {
	counts, cost := r.snapshot()
	var parts []string
	total := int64(0)
	for _, op := range slices.Sorted(maps.Keys(counts)) {
		total += counts[op]
		parts = append(parts, fmt.Sprintf("%s %d", op, counts[op]))
	}
	return fmt.Sprintf("%d requests (%s), about $%.4f at AWS's list prices", total, strings.Join(parts, ", "), cost)
}
