package main

import (
	"math"

	"github.com/tintype/tintype/deploy/prices"
)

const (
	secondsOfMonth = 30 * secondsOfDay
	// webInstances is how many web tiers hear of each completion, in the sums.
	webInstances = 2
	// presenceEvery is the default of --presence, seconds.
	presenceEvery = 5
)

// line is one service's part of a month.
type line struct {
	Service  string
	Requests float64
	USD      float64
}

// month is what a load costs in thirty days.
func month(p prices.Table, l lags, z size, d day) []line {
	images := d.Rate * secondsOfMonth
	puts, gets := 1.0, 0.0 // the upload itself
	for k, n := range z.Calls {
		switch {
		case len(k) > 6 && k[:6] == "s3 PUT":
			puts += n
		case len(k) > 6 && (k[:6] == "s3 GET" || k[:6] == "s3 HEA"): // of one price
			gets += n
		}
	}
	// One publish by S3 for the upload, one by the app tier for the result.
	publishes := 2.0
	// The work queue: SNS's send, receives, deletes, extensions. Each web tier's: a send, and
	// a receive and a delete for as many as came during the round trip of both.
	together := math.Min(batch, math.Max(1, d.Rate*2*l.SQSReceive.P50/1000))
	sqs := 1 + d.Receives + d.Deletes + d.Extends + webInstances*(1+2/together)
	presences := d.VCPUHours / 24 / float64(d.Workers) * secondsOfMonth / presenceEvery
	sum := []line{
		{"S3, PUT", puts * images, puts * images / 1000 * p.S3PutPerThousand},
		{"S3, GET", gets * images, gets * images / 1000 * p.S3GetPerThousand},
		{"S3, presences of app processes", presences, presences / 1000 * p.S3PutPerThousand},
		{"SNS, publish", publishes * images, publishes * images / 1e6 * p.SNSPublishPerMillion},
		{"SQS", sqs*images + d.EmptyPolls*30, p.SQS(sqs*images + d.EmptyPolls*30)},
		{"EC2, vCPU-hours", d.VCPUHours * 30, d.VCPUHours * 30 * p.VCPUHour},
	}
	total := line{Service: "together"}
	for _, x := range sum {
		total.USD += x.USD
	}
	return append(sum, total)
}

// storage is what a month's originals and results cost for each month that they are kept.
func storage(p prices.Table, z size, rate float64) (tb, usd float64) {
	tb = rate * secondsOfMonth * float64(z.InBytes+z.OutBytes) / 1e12
	return tb, p.Storage(tb * 1e12)
}
