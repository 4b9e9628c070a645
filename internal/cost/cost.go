package cost

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/tintype/tintype/deploy/prices"
)

// Ways to compute.
const (
	EC2     = "ec2"
	Fargate = "fargate"
	Lambda  = "lambda"
	None    = "none" // machines that are there anyway
)

// Load is what a deployment has to do, and how it is set up.
type Load struct {
	Images    float64 `json:"images"`    // a month
	Bytes     float64 `json:"bytes"`     // of an original, mean
	Outputs   float64 `json:"outputs"`   // of an image, mean
	OutBytes  float64 `json:"outBytes"`  // of all its outputs together, mean
	ServiceMS float64 `json:"serviceMs"` // processor time of an image on one vCPU

	Months float64 `json:"months"` // how long originals and results are kept
	Views  float64 `json:"views"`  // how often browsers fetch an output, for each image

	Compute     string  `json:"compute"`
	Utilisation float64 `json:"utilisation"` // part of the processor time paid for that is used, 0–1; not of Lambda
	HostVCPUs   float64 `json:"hostVcpus"`   // of one app process; of EC2 and Fargate
	WaitMS      float64 `json:"waitMs"`      // of Lambda: how long an image waits for S3 and SNS, which is paid for

	WebTiers        float64 `json:"webTiers"`
	PresenceSeconds float64 `json:"presenceSeconds"` // --presence of app processes; 0: none
	Mails           float64 `json:"mails"`           // for each image: subscribers by mail of both topics together
	HTTP            float64 `json:"http"`            // the same, by http and https
}

// Validate says what cannot be reckoned with.
func (l Load) Validate() error {
	within := func(name string, v, least, most float64) error {
		if v >= least && v <= most { // not so for what is no number
			return nil
		}
		return fmt.Errorf("%s must be from %v to %v, not %v", name, least, most, v)
	}
	if !slices.Contains([]string{EC2, Fargate, Lambda, None}, l.Compute) {
		return fmt.Errorf("--compute must be ec2, fargate, lambda or none, not %q", l.Compute)
	}
	return errors.Join(
		within("--images", l.Images, 1, 1e13), within("--bytes", l.Bytes, 1, 5e12), within("--outputs", l.Outputs, 0, 1000), within("--output-bytes", l.OutBytes, 0, 5e12),
		within("--service-ms", l.ServiceMS, 0, 3.6e6), within("--months", l.Months, 0, 1200), within("--views", l.Views, 0, 1e6), within("--utilisation", l.Utilisation, 0.01, 1),
		within("--host-vcpus", l.HostVCPUs, 0.25, 448), within("--wait-ms", l.WaitMS, 0, 900_000), within("--web-tiers", l.WebTiers, 0, 10_000),
		within("--presence-seconds", l.PresenceSeconds, 0, 86_400), within("--mails", l.Mails, 0, 1000), within("--http", l.HTTP, 0, 1000))
}

// Line is one thing that is paid for, in a month.
type Line struct {
	Service string  `json:"service"`
	What    string  `json:"what"`
	Count   float64 `json:"count"` // in units
	Unit    string  `json:"unit"`  // "requests", "GB", "hours", …
	USD     float64 `json:"usd"`
}

// Bill is a month.
type Bill struct {
	Lines []Line  `json:"lines"` // what costs nothing is left out
	USD   float64 `json:"usd"`
	Per   float64 `json:"usdPerThousandImages"`
	Hosts float64 `json:"appProcesses"` // paid for, mean
}

const (
	webVCPUs    = 0.5 // of a web tier
	webGB       = 1.0
	gbPerVCPU   = 2.0   // of an app tier in Fargate
	lambdaGB    = 1.769 // what AWS gives one vCPU for
	mb, gb      = 1e6, 1e9
	perMillion  = 1e6
	perThousand = 1e3
)

// Month reckons. The load must be valid.
func Month(p prices.Table, l Load) Bill {
	f := PerImage
	n := l.Images
	hosts, compute := app(p, l)
	var lines []Line
	add := func(service, what string, count float64, unit string, usd float64) {
		if count > 0 {
			lines = append(lines, Line{service, what, count, unit, usd})
		}
	}
	put := func(what string, count float64) {
		add("S3", what, count, "requests", count/perThousand*p.S3PutPerThousand)
	}
	get := func(what string, count float64) {
		add("S3", what, count, "requests", count/perThousand*p.S3GetPerThousand)
	}
	put("PUT of originals", n)
	put("PUT of outputs", n*l.Outputs)
	put("PUT of manifests", n*f.AppManifests)
	get("GET and HEAD by app tiers", n*(f.AppGets+f.AppHeads))
	get("GET by browsers", n*l.Views)
	if l.PresenceSeconds > 0 && l.Compute != Lambda {
		// At work as often as set, without work a sixth as often.
		busy := math.Min(1, l.Utilisation)
		beats := hoursOfMonth * 3600 / l.PresenceSeconds * (busy + (1-busy)/idlePresence)
		put("PUT of presences", hosts*beats)
		put("LIST of presences, a page always open", l.WebTiers*hoursOfMonth*3600/l.PresenceSeconds*f.ListenerLists)
	}
	kept := n * l.Months * (l.Bytes + l.OutBytes)
	add("S3", "storage", kept/gb, "GB", p.Storage(kept))
	add("SNS", "publishes, by S3 and by app tiers", n*(1+f.AppPublishes), "requests", n*(1+f.AppPublishes)/perMillion*p.SNSPublishPerMillion)
	deliveries := n * (1 + l.WebTiers)
	add("SNS", "deliveries to SQS", deliveries, "deliveries", deliveries/perMillion*p.SNSToSQSPerMillion)
	add("SNS", "mails", n*l.Mails, "deliveries", n*l.Mails/perThousand*p.SNSToEmailPerThousand)
	add("SNS", "deliveries by http", n*l.HTTP, "deliveries", n*l.HTTP/perMillion*p.SNSToHTTPPerMillion)
	polls := hoursOfMonth * 3600 / pollSeconds * (hosts + l.WebTiers)
	work, web := n*(1+f.AppReceives+f.AppDeletes), n*l.WebTiers*(1+f.WebReceives+f.WebDeletes)
	sqs := work + web + polls
	all := p.SQS(sqs) // its steps are of all requests together
	for _, x := range []struct {
		what  string
		count float64
	}{{"work queue: send, receive, delete", work}, {"web tiers' queues: send, receive, delete", web}, {"empty receives, at most", polls}} {
		if sqs > 0 {
			add("SQS", x.what, x.count, "requests", all*x.count/sqs)
		}
	}
	out := n * l.Views * viewBytes(l)
	add("transfer", "results to browsers", out/gb, "GB", p.TransferOut(out))
	lines = append(lines, compute...)
	b := Bill{Lines: lines, Hosts: hosts}
	for _, x := range lines {
		b.USD += x.USD
	}
	b.Per = b.USD / n * 1000
	return b
}

func viewBytes(l Load) float64 {
	if l.Outputs == 0 {
		return 0
	}
	return l.OutBytes / l.Outputs
}

// app is the compute of both tiers, and how many app processes there are in the mean.
func app(p prices.Table, l Load) (hosts float64, lines []Line) {
	hours := l.Images * l.ServiceMS / 3.6e6 / l.Utilisation
	hours = math.Max(hours, l.HostVCPUs*hoursOfMonth) // one is always there
	hosts = hours / l.HostVCPUs / hoursOfMonth
	webHours := l.WebTiers * webVCPUs * hoursOfMonth
	line := func(service, what string, hours, usd float64) Line {
		return Line{service, what, hours, "vCPU-hours", usd}
	}
	switch l.Compute {
	case EC2:
		lines = append(lines, line("EC2", "app tier", hours, hours*p.VCPUHour), line("EC2", "web tiers", webHours, webHours*p.VCPUHour))
	case Fargate:
		gbs := p.FargateGBHour
		lines = append(lines, line("Fargate", "app tier", hours, hours*(p.FargateVCPUHour+gbPerVCPU*gbs)),
			line("Fargate", "web tiers", webHours, webHours*p.FargateVCPUHour+l.WebTiers*webGB*hoursOfMonth*gbs))
	case Lambda:
		seconds := l.Images * (l.ServiceMS + l.WaitMS) / 1000 * lambdaGB
		lines = append(lines, Line{"Lambda", "app tier", seconds, "GB-seconds", seconds*p.LambdaGBSecond + l.Images/perMillion*p.LambdaPerMillion},
			line("Fargate", "web tiers", webHours, webHours*p.FargateVCPUHour+l.WebTiers*webGB*hoursOfMonth*p.FargateGBHour))
		hosts = 5 // the least number of pollers of an event source mapping
	}
	return hosts, slices.DeleteFunc(lines, func(x Line) bool { return x.Count == 0 })
}

// ServiceMS is the processor time of an original with the default recipe, as measured for
// docs/scale.md: a fixed part, and one that grows with the bytes of a photograph.
func ServiceMS(bytes float64) float64 { return 15 + 30*bytes/mb }

// OutBytes is what the default recipe's outputs have together, as measured there.
func OutBytes(bytes float64) float64 { return bytes * 0.7 }
