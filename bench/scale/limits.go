package main

import "strings"

// quotas are as in limits.json.
type quotas struct {
	Date, Note                       string
	S3PutsPerPrefix, S3GetsPerPrefix float64
	SNSPublishPerSecond, SQSInFlight float64
	S3ListPage                       float64
}

// bound is one limit, and the rate of images at which it binds.
type bound struct {
	What     string
	PerImage float64 // what one image asks of it
	Limit    float64
	Binds    float64 // images per second
	What2    string  // what helps
}

// bounds are the limits in the order in which they bind.
func bounds(q quotas, l lags, z size, t times) []bound {
	uploadGets, resultPuts, resultGets := 0.0, 0.0, 0.0
	for k, n := range z.Calls {
		switch {
		case strings.HasPrefix(k, "s3 GET uploads"):
			uploadGets += n
		case strings.HasPrefix(k, "s3 PUT results"):
			resultPuts += n
		case strings.HasPrefix(k, "s3 GET results"):
			resultGets += n
		}
	}
	held := meanOf(func(r *rnd) float64 { return t.look(r) + t.fetch(r) + t.core(r) + t.store(r) + t.finish(r) })
	loop := 2 * meanOf(t.receive) // a receive, then a delete, ten at a time
	all := []bound{
		{What: "a web tier's completions: one receive and one delete at a time", PerImage: loop / batch, Limit: 1, What2: "several receive loops per web tier; or fewer, larger web tiers with filters"},
		{What: "results bucket, PUT/s in one partition", PerImage: resultPuts, Limit: q.S3PutsPerPrefix, What2: "results under a prefix that does not follow the clock"},
		{What: "uploads bucket, PUT/s in one partition", PerImage: 1, Limit: q.S3PutsPerPrefix, What2: "uploads spread over some prefixes; a page then merges as many listings"},
		{What: "uploads bucket, GET/s in one partition", PerImage: uploadGets, Limit: q.S3GetsPerPrefix, What2: "the same"},
		{What: "results bucket, GET/s in one partition (without the pages')", PerImage: resultGets, Limit: q.S3GetsPerPrefix, What2: "the same; and not to look for a manifest at the first attempt"},
		{What: "SNS publishes/s, both topics", PerImage: 2, Limit: q.SNSPublishPerSecond, What2: "a higher quota on request; S3 straight to SQS where nobody wants mails"},
		{What: "SQS messages in flight, while hosts keep up", PerImage: held, Limit: q.SQSInFlight, What2: "a higher quota on request; more queues"},
	}
	for i := range all {
		all[i].Binds = all[i].Limit / all[i].PerImage
	}
	return all
}

func meanOf(d dist) float64 {
	r := newRnd(11)
	sum := 0.0
	const n = 20_000
	for range n {
		sum += d(r)
	}
	return sum / n
}
