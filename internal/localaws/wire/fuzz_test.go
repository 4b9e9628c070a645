package wire

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

func shapeOf[T any](n Naming) *shape {
	c := compiler{naming: n, seen: map[reflect.Type]*shape{}}
	return c.shape(reflect.TypeFor[T]())
}

// FuzzDecodeJSON: whatever comes in, the decoder answers an API error or a struct
// that encodes and decodes to itself.
func FuzzDecodeJSON(f *testing.F) {
	for _, s := range []string{
		`{}`, `null`, `[`, `{"QueueUrl":"u","Entries":[{"Id":"a","MessageBody":"b","DelaySeconds":0}]}`,
		`{"Entries":[{"MessageAttributes":{"x":{"DataType":"Binary","BinaryValue":"AP8=","StringListValues":["é\ud83c"]}}}]}`,
		`{"Entries":{"DelaySeconds":1e3}}`, "{\"QueueUrl\":\"\x00\\u0000\xff\"}",
	} {
		f.Add([]byte(s))
	}
	sh := shapeOf[sqs.SendMessageBatchInput](Naming{Flattened: true})
	f.Fuzz(func(t *testing.T, body []byte) {
		var in, again sqs.SendMessageBatchInput
		if err := decodeJSON(sh, body, reflect.ValueOf(&in).Elem(), presence{}); err != nil {
			var e *Error
			if !errors.As(err, &e) || e.status() != 400 {
				t.Fatalf("err = %v", err)
			}
			return
		}
		b := appendJSON(nil, sh, reflect.ValueOf(&in))
		if !json.Valid(b) {
			t.Fatalf("encoded %q", b)
		}
		if err := decodeJSON(sh, b, reflect.ValueOf(&again).Elem(), presence{}); err != nil || !reflect.DeepEqual(in, again) {
			t.Fatalf("%v\n%#v\n%#v", err, in, again)
		}
	})
}

func FuzzDecodeQuery(f *testing.F) {
	for _, s := range []string{
		"", "a=%zz", "QueueUrl=u&SendMessageBatchRequestEntry.1.Id=a&SendMessageBatchRequestEntry.1.DelaySeconds=0",
		"SendMessageBatchRequestEntry.1.MessageAttribute.1.Name=n&SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.BinaryValue=AP8%3D",
		"PublishBatchRequestEntries.member.1.MessageAttributes.entry.1.Name=n&TopicArn=t", "PublishBatchRequestEntries=",
		"SendMessageBatchRequestEntry.-1.Id=x&SendMessageBatchRequestEntry..Id=y&SendMessageBatchRequestEntry.99999999999999999999=z", "....=&=",
	} {
		f.Add(s)
	}
	flat := shapeOf[sqs.SendMessageBatchInput](Naming{Flattened: true, Members: map[string]MemberName{"MessageAttributes": {Name: "MessageAttribute"}}})
	nested := shapeOf[sns.PublishBatchInput](Naming{Members: map[string]MemberName{"MessageAttributes": {Key: "Name", Value: "Value"}}})
	f.Fuzz(func(t *testing.T, query string) {
		values, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		form, err := newForm(values)
		if err == nil {
			for _, d := range []struct {
				sh *shape
				in any
			}{{flat, new(sqs.SendMessageBatchInput)}, {nested, new(sns.PublishBatchInput)}} {
				if err = decodeQuery(d.sh, form, reflect.ValueOf(d.in).Elem(), presence{}); err != nil {
					break
				}
				_, b := queryProtocol{}.result(nil, &Service{}, "Op", d.sh, d.in, "id")
				x := xml.NewDecoder(strings.NewReader(string(b)))
				for {
					if _, err := x.Token(); errors.Is(err, io.EOF) {
						break
					} else if err != nil {
						t.Fatalf("%v: %q", err, b)
					}
				}
			}
		}
		var e *Error
		if err != nil && (!errors.As(err, &e) || e.status() != 400) {
			t.Fatalf("err = %v", err)
		}
	})
}
