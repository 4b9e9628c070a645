package cost

import (
	"cmp"
	"math"
	"slices"

	"github.com/tintype/tintype/deploy/prices"
)

// Lever is one change and what a month costs with it.
type Lever struct {
	What string  `json:"what"`
	USD  float64 `json:"usd"`
	Part float64 `json:"part"` // of the bill as it is, saved
}

// leastPart is what a change must save to be named, as a part of the bill.
const leastPart = 0.01

// Levers are what would save most, the greatest first.
func Levers(p prices.Table, l Load) []Lever {
	now := Month(p, l)
	if now.USD == 0 {
		return nil // a table of nothing but zeros
	}
	var all []Lever
	try := func(what string, change func(*Load, *prices.Table)) {
		l, p := l, p
		change(&l, &p)
		x := Lever{what, Month(p, l).USD, 0}
		if x.Part = 1 - x.USD/now.USD; x.Part >= leastPart {
			all = append(all, x)
		}
	}
	try("keep originals and results half as long (a lifecycle rule that expires them)", func(l *Load, _ *prices.Table) { l.Months /= 2 })
	try("one output less in the recipe", func(l *Load, _ *prices.Table) {
		if l.Outputs >= 1 {
			l.OutBytes *= 1 - 1/l.Outputs
			l.Outputs--
		}
	})
	try("outputs of half the bytes (WebP or AVIF, a lower quality, `max-bytes`)", func(l *Load, _ *prices.Table) { l.OutBytes /= 2 })
	try("originals of half the bytes (a smaller picture made before the upload)", func(l *Load, _ *prices.Table) { l.Bytes /= 2 })
	try("half as many views that reach S3 (a CDN or browser caches in front)", func(l *Load, _ *prices.Table) { l.Views /= 2 })
	try("mails of a sample or of failures alone (a filter policy, or no subscriber)", func(l *Load, _ *prices.Table) { l.Mails = 0 })
	try("a single web tier", func(l *Load, _ *prices.Table) { l.WebTiers = math.Min(l.WebTiers, 1) })
	try("--presence at six times its interval", func(l *Load, _ *prices.Table) { l.PresenceSeconds *= 6 })
	switch l.Compute {
	case EC2, Fargate:
		try("processors used at 80 % (scale on the backlog, with a floor)", func(l *Load, _ *prices.Table) { l.Utilisation = math.Max(l.Utilisation, 0.8) })
		try("processors on spot capacity, taken at a third of the price: what is interrupted comes back", func(_ *Load, p *prices.Table) {
			p.VCPUHour, p.FargateVCPUHour, p.FargateGBHour = p.VCPUHour/3, p.FargateVCPUHour/3, p.FargateGBHour/3
		})
		try("app processes of one vCPU", func(l *Load, _ *prices.Table) { l.HostVCPUs = math.Min(l.HostVCPUs, 1) })
	case Lambda:
		try("app tiers on EC2 instead of Lambda", func(l *Load, _ *prices.Table) { l.Compute = EC2 })
	}
	slices.SortFunc(all, func(a, b Lever) int { return cmp.Compare(a.USD, b.USD) })
	return all
}

// Dominant is the line that is the most of a bill, and which part it is.
func (b Bill) Dominant() (line Line, part float64) {
	line = slices.MaxFunc(b.Lines, func(x, y Line) int { return cmp.Compare(x.USD, y.USD) })
	if b.USD == 0 {
		return line, 0
	}
	return line, line.USD / b.USD
}
