package s3

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func TestArchivedObjectsAreReadOnceRestored(t *testing.T) {
	e := start(t)
	b, k := e.bucket("archive"), aws.String("k")
	if err := e.configure(b, types.NotificationConfiguration{TopicConfigurations: []types.TopicConfiguration{topic("s3:ObjectRestore:*")}}); err != nil {
		t.Fatal(err)
	}
	if _, err := e.PutObject(e.ctx(), &awss3.PutObjectInput{Bucket: &b, Key: k, Body: strings.NewReader("cold"), StorageClass: types.StorageClassGlacier}); err != nil {
		t.Fatal(err)
	}
	_, err := e.GetObject(e.ctx(), &awss3.GetObjectInput{Bucket: &b, Key: k})
	wantCode(t, err, "InvalidObjectState")
	_, err = e.CopyObject(e.ctx(), &awss3.CopyObjectInput{Bucket: &b, Key: aws.String("copy"), CopySource: aws.String(b + "/k")})
	wantCode(t, err, "InvalidObjectState")
	if _, err := e.RestoreObject(e.ctx(), &awss3.RestoreObjectInput{Bucket: &b, Key: k, RestoreRequest: &types.RestoreRequest{Days: aws.Int32(2)}}); err != nil {
		t.Fatal(err)
	}
	h, err := e.HeadObject(e.ctx(), &awss3.HeadObjectInput{Bucket: &b, Key: k})
	if err != nil || h.StorageClass != types.StorageClassGlacier || !strings.HasPrefix(aws.ToString(h.Restore), `ongoing-request="false", expiry-date="`) {
		t.Errorf("%+v, %v", h, err)
	}
	if got := e.get(b, "k"); string(got) != "cold" {
		t.Errorf("%q", got)
	}
	events := e.events()[1:]
	if len(events) != 2 || events[0].record["eventName"] != "ObjectRestore:Post" || dig(events[1].record, "glacierEventData", "restoreEventData")["lifecycleRestoreStorageClass"] != "GLACIER" {
		t.Errorf("%v", events)
	}
	e.put(b, "warm", []byte("x"))
	_, err = e.RestoreObject(e.ctx(), &awss3.RestoreObjectInput{Bucket: &b, Key: aws.String("warm"), RestoreRequest: &types.RestoreRequest{Days: aws.Int32(2)}})
	wantCode(t, err, "InvalidObjectState")
}
