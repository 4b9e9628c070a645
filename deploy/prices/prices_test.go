package prices

import (
	"math"
	"strings"
	"testing"
)

func TestSteps(t *testing.T) {
	p := Builtin()
	for n, want := range map[float64]float64{0: 0, 1e6: 0.4, 100e9: 40_000, 150e9: 55_000, 300e9: 94_000} {
		if got := p.SQS(n); math.Abs(got-want) > 1e-6 {
			t.Errorf("%v requests: %v, want %v", n, got, want)
		}
	}
	if got, want := p.Storage(100e12), 50_000*0.023+50_000*0.022; math.Abs(got-want) > 1e-6 {
		t.Errorf("100 TB: %v, want %v", got, want)
	}
	if got, want := p.TransferOut(20e12), 10_000*0.09+10_000*0.085; math.Abs(got-want) > 1e-6 {
		t.Errorf("20 TB out: %v, want %v", got, want)
	}
}

func TestParse(t *testing.T) {
	good := string(builtin)
	for name, c := range map[string]struct{ old, new, says string }{
		"unknown field":       {`"date"`, `"s4": 1, "date"`, `unknown field "s4"`},
		"missing field":       {`"vcpuHour": 0.0446,`, ``, "vcpuHour is missing"},
		"negative":            {`"vcpuHour": 0.0446`, `"vcpuHour": -1`, "vcpuHour cannot be -1"},
		"a slip":              {`"lambdaPerMillion": 0.20`, `"lambdaPerMillion": 2000`, "lambdaPerMillion cannot be 2000"},
		"not a number":        {`"vcpuHour": 0.0446`, `"vcpuHour": "much"`, "cannot unmarshal string"},
		"undated":             {`"date": "2025-06"`, `"date": "lately"`, `date is "lately"`},
		"no end":              {`{"upToTB": 0, "usd": 0.021}`, `{"upToTB": 900, "usd": 0.021}`, "s3StorageGBMonth: step 3"},
		"falling steps":       {`{"upToTB": 500, "usd": 0.022}`, `{"upToTB": 5, "usd": 0.022}`, "s3StorageGBMonth: step 2"},
		"an end in the midst": {`{"upToBillion": 200, "usd": 0.30}`, `{"upToBillion": 0, "usd": 0.30}`, "sqsPerMillion: step 2"},
		"two tables":          {good, good + good, "a table of prices"},
		"a list":              {good, "[]", "is a JSON object"},
		"null":                {good, "null", `date is ""`},
	} {
		text := strings.Replace(good, c.old, c.new, 1)
		if text == good {
			t.Fatalf("%s: nothing is replaced", name)
		}
		if _, err := Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(builtin, 1e6)
	f.Fuzz(func(t *testing.T, b []byte, n float64) {
		p, err := Parse(b)
		if err != nil || !(n >= 0 && n < 1e15) {
			return
		}
		for _, usd := range []float64{p.SQS(n), p.Storage(n), p.TransferOut(n)} {
			if math.IsNaN(usd) || usd < 0 || math.IsInf(usd, 0) {
				t.Errorf("%v for %v", usd, n)
			}
		}
	})
}
