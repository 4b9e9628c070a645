// Package prices is the one table of AWS's list prices that everything here reckons with: the
// command `tintype cost`, the estimates of audits and backfills, and the simulation of
// bench/scale. It imports nothing of ours. The table is dated; a file of the same form replaces it.
package prices

import (
	"bytes"
	_ "embed" // of the table
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"time"
)

//go:embed us-east-1.json
var builtin []byte

// most is what no price reaches: a slip of the decimal point, not a price.
const most = 1000

// Table is list prices in US dollars, of a region at a date.
type Table struct {
	Date   string `json:"date"` // year and month
	Region string `json:"region"`
	Note   string `json:"note"`

	S3PutPerThousand float64 `json:"s3PutPerThousand"` // also of LIST and COPY; DELETE is free
	S3GetPerThousand float64 `json:"s3GetPerThousand"` // also of HEAD
	S3StorageGBMonth []Size  `json:"s3StorageGBMonth"`
	TransferOutGB    []Size  `json:"transferOutGB"` // to browsers

	SNSPublishPerMillion  float64 `json:"snsPublishPerMillion"`
	SNSToSQSPerMillion    float64 `json:"snsToSQSPerMillion"`
	SNSToHTTPPerMillion   float64 `json:"snsToHTTPPerMillion"`
	SNSToEmailPerThousand float64 `json:"snsToEmailPerThousand"`
	SQSPerMillion         []Count `json:"sqsPerMillion"`

	VCPUHour              float64 `json:"vcpuHour"` // of EC2
	VCPUHourOf            string  `json:"vcpuHourOf"`
	FargateVCPUHour       float64 `json:"fargateVCPUHour"`
	FargateGBHour         float64 `json:"fargateGBHour"`
	LambdaGBSecond        float64 `json:"lambdaGBSecond"`
	LambdaPerMillion      float64 `json:"lambdaPerMillion"`
	CloudWatchMetricMonth float64 `json:"cloudwatchMetricMonth"`
}

// Size is the price of a GB up to so many TB a month; the last has 0, for all the rest.
type Size struct {
	UpToTB float64 `json:"upToTB"`
	USD    float64 `json:"usd"`
}

// Count is the price of a million up to so many billions a month; the last has 0.
type Count struct {
	UpToBillion float64 `json:"upToBillion"`
	USD         float64 `json:"usd"`
}

// Builtin is the table of us-east-1.
func Builtin() Table {
	t, err := Parse(builtin)
	if err != nil {
		panic("the table of prices that is built in: " + err.Error())
	}
	return t
}

// Parse reads a table. All prices must be there, and nothing that is not understood.
func Parse(b []byte) (Table, error) {
	var t Table
	var given map[string]json.RawMessage
	if err := json.Unmarshal(b, &given); err != nil {
		return t, fmt.Errorf("a table of prices is a JSON object: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&t); err != nil {
		return t, fmt.Errorf("a table of prices: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return t, errors.New("a table of prices: there is something after its end")
	}
	if _, err := time.Parse("2006-01", t.Date); err != nil {
		return t, fmt.Errorf("date is %q, and must be a year and a month such as 2025-06", t.Date)
	}
	v := reflect.ValueOf(t)
	for i := range v.NumField() {
		name := v.Type().Field(i).Tag.Get("json")
		if _, ok := given[name]; !ok {
			return t, fmt.Errorf("%s is missing", name)
		}
		switch f := v.Field(i).Interface().(type) {
		case string:
			if f == "" {
				return t, fmt.Errorf("%s is empty", name)
			}
		case float64:
			if !isPrice(f) {
				return t, fmt.Errorf("%s cannot be %v", name, f)
			}
		}
	}
	return t, errors.Join(steps("s3StorageGBMonth", t.S3StorageGBMonth, func(s Size) (float64, float64) { return s.UpToTB, s.USD }),
		steps("transferOutGB", t.TransferOutGB, func(s Size) (float64, float64) { return s.UpToTB, s.USD }),
		steps("sqsPerMillion", t.SQSPerMillion, func(c Count) (float64, float64) { return c.UpToBillion, c.USD }))
}

func isPrice(v float64) bool { return v >= 0 && v < most }

// steps checks that each step ends after the one before it, and that only the last has no end.
func steps[T any](name string, all []T, of func(T) (upTo, usd float64)) error {
	if len(all) == 0 {
		return fmt.Errorf("%s has no prices", name)
	}
	from := 0.0
	for i, s := range all {
		upTo, usd := of(s)
		last := i == len(all)-1
		if !isPrice(usd) || last != (upTo == 0) || !last && upTo <= from {
			return fmt.Errorf("%s: step %d: steps rise, and the last alone ends at 0, which stands for all the rest", name, i+1)
		}
		from = upTo
	}
	return nil
}

// SQS is what so many requests of SQS cost in a month.
func (t Table) SQS(requests float64) float64 {
	return stepped(requests, t.SQSPerMillion, func(c Count) (float64, float64) { return c.UpToBillion * 1e9, c.USD / 1e6 })
}

// Storage is what a month's keeping of so many bytes costs in S3 Standard.
func (t Table) Storage(bytes float64) float64 {
	return stepped(bytes, t.S3StorageGBMonth, func(s Size) (float64, float64) { return s.UpToTB * 1e12, s.USD / 1e9 })
}

// TransferOut is what sending so many bytes to the internet in a month costs.
func (t Table) TransferOut(bytes float64) float64 {
	return stepped(bytes, t.TransferOutGB, func(s Size) (float64, float64) { return s.UpToTB * 1e12, s.USD / 1e9 })
}

func stepped[T any](n float64, all []T, of func(T) (upTo, each float64)) (usd float64) {
	from := 0.0
	for _, s := range all {
		upTo, each := of(s)
		if upTo == 0 {
			upTo = math.Inf(1)
		}
		if n <= from {
			break
		}
		usd += (math.Min(n, upTo) - from) * each
		from = upTo
	}
	return usd
}
