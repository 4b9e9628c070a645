package cost

import (
	"math"
	"os"
	"strings"
	"testing"

	"github.com/tintype/tintype/deploy/prices"
)

func typical() Load {
	return Load{Images: 1e6, Bytes: 3e6, Outputs: 3, OutBytes: 2e6, ServiceMS: 100, Months: 12, Compute: EC2, Utilisation: 0.5, HostVCPUs: 2, WaitMS: 250, WebTiers: 2, PresenceSeconds: 5}
}

func find(t *testing.T, b Bill, what string) Line {
	t.Helper()
	for _, l := range b.Lines {
		if l.What == what {
			return l
		}
	}
	t.Fatalf("no line %q in %+v", what, b.Lines)
	return Line{}
}

// Worked by hand from the list prices.
func TestMonth(t *testing.T) {
	b := Month(prices.Builtin(), typical())
	for what, want := range map[string]float64{
		"PUT of outputs": 3e6 / 1000 * 0.005, "PUT of originals": 5, "GET and HEAD by app tiers": 1e6 * (PerImage.AppGets + PerImage.AppHeads) / 1000 * 0.0004,
		"storage": 50_000*0.023 + 10_000*0.022, "publishes, by S3 and by app tiers": 1, "work queue: send, receive, delete": 1.2,
		"app tier": 2 * 720 * 0.0446,
	} {
		if got := find(t, b, what).USD; math.Abs(got-want) > 1e-9 {
			t.Errorf("%s: $%v, want $%v", what, got, want)
		}
	}
	sum := 0.0
	for _, l := range b.Lines {
		sum += l.USD
	}
	if math.Abs(sum-b.USD) > 1e-9 || math.Abs(b.Per-b.USD/1000) > 1e-9 {
		t.Errorf("lines are %v, together %v, per thousand %v", sum, b.USD, b.Per)
	}
	if top, part := b.Dominant(); top.What != "storage" || part < 0.5 {
		t.Errorf("most of it: %v, %v", top, part)
	}

	l := typical()
	l.Compute = Lambda
	// 1e6 images of 0.35 s with 1.769 GB, and the requests.
	if got, want := find(t, Month(prices.Builtin(), l), "app tier").USD, 0.35e6*1.769*0.0000166667+0.2; math.Abs(got-want) > 1e-6 {
		t.Errorf("Lambda: $%v, want $%v", got, want)
	}
	l.Compute = Fargate
	if got, want := find(t, Month(prices.Builtin(), l), "app tier").USD, 1440*(0.04048+2*0.004445); math.Abs(got-want) > 1e-6 {
		t.Errorf("Fargate: $%v, want $%v", got, want)
	}
}

// What costs nothing more than before is no bill of this system.
func TestMoreCostsMore(t *testing.T) {
	p := prices.Builtin()
	for _, compute := range []string{EC2, Fargate, Lambda, None} {
		base := typical()
		base.Compute, base.Views, base.Mails, base.HTTP = compute, 1, 1, 1
		for name, more := range map[string]func(*Load){
			"images": func(l *Load) { l.Images *= 2 }, "bytes": func(l *Load) { l.Bytes *= 2 }, "outputs": func(l *Load) { l.Outputs++ }, "months": func(l *Load) { l.Months++ },
			"views": func(l *Load) { l.Views++ }, "mails": func(l *Load) { l.Mails++ }, "http": func(l *Load) { l.HTTP++ }, "web tiers": func(l *Load) { l.WebTiers++ },
			"presences": func(l *Load) { l.PresenceSeconds /= 2 },
		} {
			l := base
			more(&l)
			if name == "presences" && compute == Lambda {
				continue // a function has none
			}
			if name == "outputs" {
				l.OutBytes *= l.Outputs / base.Outputs
			}
			if a, b := Month(p, base).USD, Month(p, l).USD; b <= a {
				t.Errorf("%s, more %s: $%v, before $%v", compute, name, b, a)
			}
		}
	}
}

func TestLevers(t *testing.T) {
	p, l := prices.Builtin(), typical()
	l.Bytes, l.OutBytes = 30e6, 20e6
	all := Levers(p, l)
	if len(all) < 3 || !strings.Contains(all[0].What, "half as long") {
		t.Fatalf("%+v", all)
	}
	now := Month(p, l).USD
	for i, x := range all {
		if x.USD >= now || math.Abs(x.Part-(1-x.USD/now)) > 1e-9 || i > 0 && x.USD < all[i-1].USD {
			t.Errorf("%+v of %v", x, now)
		}
	}
	if l.Compute = None; len(Levers(prices.Table{}, l)) != 0 {
		t.Error("something saves where nothing costs")
	}
}

func TestValidate(t *testing.T) {
	if err := typical().Validate(); err != nil {
		t.Fatal(err)
	}
	for says, change := range map[string]func(*Load){
		"--images must be": func(l *Load) { l.Images = 0 }, "--images must be from 1 to 1e+13, not NaN": func(l *Load) { l.Images = math.NaN() },
		"--bytes must be": func(l *Load) { l.Bytes = math.Inf(1) }, "--utilisation must be": func(l *Load) { l.Utilisation = 0 },
		"--compute must be": func(l *Load) { l.Compute = "abacus" }, "--months must be": func(l *Load) { l.Months = -1 },
	} {
		l := typical()
		change(&l)
		if err := l.Validate(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
	}
}

// TestDocument holds docs/deploy.md to the table.
func TestDocument(t *testing.T) {
	text, err := os.ReadFile("../../docs/deploy.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "<!-- table: factors -->\n\n")
	got, _, _ := strings.Cut(rest, "<!-- end -->")
	if want := Table(); strings.TrimSpace(got) != strings.TrimSpace(want) {
		t.Errorf("docs/deploy.md has\n%s\nthe factors are\n%s", got, want)
	}
}
