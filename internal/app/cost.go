package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"text/tabwriter"

	"github.com/tintype/tintype/deploy/prices"
	"github.com/tintype/tintype/internal/config"
	"github.com/tintype/tintype/internal/cost"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/store"
)

// maxPrices bounds what is read as a table of prices, in bytes.
const maxPrices = 1 << 20

// CostOptions are what Cost reckons with. What is negative is not given: it is taken from the
// bucket, or from what docs/scale.md measured.
type CostOptions struct {
	Images, Bytes, Outputs, OutBytes, ServiceMS float64
	Months, Views, Utilisation                  float64
	HostVCPUs, WaitMS, WebTiers                 float64
	PresenceSeconds, Mails, HTTP                float64
	Compute, Prices                             string
	FromBucket                                  bool
	Sample                                      int // originals looked at
}

// estimate is what a bill rests on.
type estimate struct {
	cost.Load
	From     string `json:"from"`               // of the figures of an image
	Sampled  int    `json:"sampled"`            // originals
	Done     int    `json:"done"`               // of them, with a manifest that says so
	Requests int64  `json:"requests,omitempty"` // that sampling took
}

// Cost says what a month on AWS costs.
func Cost(ctx context.Context, cfg config.Config, out IO, o CostOptions) error {
	table, err := readPrices(o.Prices)
	if err != nil {
		return err
	}
	e := estimate{From: "the default recipe and photographs, as docs/scale.md measured them"}
	e.Load = cost.Load{
		Images: o.Images, Bytes: o.Bytes, Outputs: o.Outputs, OutBytes: o.OutBytes, ServiceMS: o.ServiceMS, Months: o.Months, Views: o.Views, Compute: o.Compute,
		Utilisation: o.Utilisation, HostVCPUs: o.HostVCPUs, WaitMS: o.WaitMS, WebTiers: o.WebTiers, PresenceSeconds: o.PresenceSeconds, Mails: o.Mails, HTTP: o.HTTP,
	}
	given := e.Load
	if o.FromBucket {
		if err := e.sample(ctx, cfg, out, o.Sample); err != nil {
			return err
		}
	}
	e.complete(given)
	if err := e.Validate(); err != nil {
		return &BadSetting{err}
	}
	bill, levers := cost.Month(table, e.Load), cost.Levers(table, e.Load)
	if out.JSON {
		top, part := bill.Dominant()
		return json.NewEncoder(out.Out).Encode(map[string]any{
			"load": e, "prices": map[string]string{"date": table.Date, "region": table.Region, "note": table.Note}, "month": bill,
			"dominant": map[string]any{"service": top.Service, "what": top.What, "part": part}, "levers": levers, "perImage": cost.PerImage,
		})
	}
	return printBill(out.Out, table, e, bill, levers)
}

// complete puts what was given over what was sampled, and fills in what neither says.
func (e *estimate) complete(given cost.Load) {
	set := func(to *float64, given, otherwise float64) {
		if !(given < 0) { // NaN is given, and refused later
			*to = given
		} else if *to < 0 {
			*to = otherwise
		}
	}
	set(&e.Bytes, given.Bytes, 3_000_000)
	set(&e.Outputs, given.Outputs, 3)
	set(&e.OutBytes, given.OutBytes, cost.OutBytes(e.Bytes))
	set(&e.ServiceMS, given.ServiceMS, cost.ServiceMS(e.Bytes))
}

func readPrices(path string) (prices.Table, error) {
	if path == "" {
		return prices.Builtin(), nil
	}
	f, err := os.Open(path)
	if err != nil {
		return prices.Table{}, &BadSetting{fmt.Errorf("--prices: %w", err)}
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxPrices))
	if err != nil {
		return prices.Table{}, &BadSetting{fmt.Errorf("--prices: %w", err)}
	}
	t, err := prices.Parse(b)
	if err != nil {
		return t, &BadSetting{fmt.Errorf("--prices %s: %w", path, err)}
	}
	return t, nil
}

// sample looks at the first originals of the uploads bucket, which of uploads through the web
// tier are the newest, and at their manifests.
func (e *estimate) sample(ctx context.Context, cfg config.Config, out IO, most int) error {
	c, err := loadAWS(ctx, cfg, quiet(out.Err))
	if err != nil {
		return err
	}
	c, asks := counted(c)
	d, err := openDeployment(cfg, c)
	if err != nil {
		return err
	}
	bytes, outputs, outBytes := 0.0, 0.0, 0.0
	for obj, err := range d.store.Walk(ctx, store.Uploads, "", "") {
		if err != nil {
			return err
		}
		e.Sampled++
		bytes += float64(obj.Size)
		m, _, err := d.store.Manifest(ctx, store.IDForKey(obj.Key))
		switch {
		case err != nil && ctx.Err() != nil:
			return err
		case err == nil && m.Status == recipe.Done:
			e.Done++
			for _, r := range m.Outputs {
				outputs++
				outBytes += float64(r.Bytes)
			}
		case err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrUnreadable):
			return err
		}
		if e.Sampled == most {
			break
		}
	}
	if e.Sampled == 0 {
		return refuse("give --bytes and --outputs instead of --from-bucket", "s3://%s has no originals to go by", d.spec.UploadsBucket)
	}
	e.Bytes = bytes / float64(e.Sampled)
	if e.Done > 0 {
		n := float64(e.Done)
		e.Outputs, e.OutBytes = outputs/n, outBytes/n
	}
	e.From = fmt.Sprintf("%d originals of s3://%s, %d of them with results", e.Sampled, d.spec.UploadsBucket, e.Done)
	counts, _ := asks.snapshot()
	for _, n := range counts {
		e.Requests += n
	}
	return nil
}

func printBill(w io.Writer, p prices.Table, e estimate, b cost.Bill, levers []cost.Lever) error {
	fmt.Fprintf(w, "%s images a month, of %s each; %.3g outputs, together %s; %.0f ms on one vCPU. From %s.\n",
		people(e.Images), byteSize(int64(e.Bytes)), e.Outputs, byteSize(int64(e.OutBytes)), e.ServiceMS, e.From)
	fmt.Fprintf(w, "Kept for %.3g months; compute: %s, %.3g app processes; web tiers: %.0f.\n\n", e.Months, e.Compute, b.Hosts, e.WebTiers)
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(service, what, count, month, thousand, part string) {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t\n", service, what, count, month, thousand, part)
	}
	row("", "", "a month", "$ a month", "$ per 1,000", "")
	for _, x := range b.Lines {
		part := 0.0
		if b.USD > 0 {
			part = 100 * x.USD / b.USD
		}
		row(x.Service, x.What, people(x.Count)+" "+x.Unit, fmt.Sprintf("%.2f", x.USD), fmt.Sprintf("%.5f", x.USD/e.Images*1000), fmt.Sprintf("%.1f %%", part))
	}
	row("", "together", "", fmt.Sprintf("%.2f", b.USD), fmt.Sprintf("%.5f", b.Per), "")
	if err := tw.Flush(); err != nil {
		return err
	}
	top, part := b.Dominant()
	fmt.Fprintf(w, "\nMost of it: %s, %s, %.0f %%.\n", top.Service, top.What, 100*part)
	halved := false
	for i, x := range levers {
		if i == 5 {
			break
		}
		half := ""
		if x.Part >= 0.5 {
			half, halved = ": halves it", true
		}
		fmt.Fprintf(w, "  saves %2.0f %%: %s%s\n", 100*x.Part, x.What, half)
	}
	if !halved {
		fmt.Fprintln(w, "No single change halves it.")
	}
	_, err := fmt.Fprintf(w, "\nList prices of %s as of %s (--prices replaces them). %s\nNot in it: free tiers, discounts, KMS, logs, load balancers, failed attempts.\n", p.Region, p.Date, p.Note)
	return err
}

// people writes a count as people read it: in full, up to a million.
func people(v float64) string {
	for _, u := range []struct {
		from float64
		name string
	}{{1e12, " trillion"}, {1e9, " billion"}, {1e6, " million"}} {
		if v >= u.from {
			return strconv.FormatFloat(v/u.from, 'f', 1, 64) + u.name
		}
	}
	if v < 10 {
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
	return strconv.FormatFloat(math.Round(v), 'f', 0, 64)
}
