package s3

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func (e *env) lockedBucket(name string) string {
	e.t.Helper()
	if _, err := e.CreateBucket(e.ctx(), &awss3.CreateBucketInput{Bucket: &name, ObjectLockEnabledForBucket: aws.Bool(true)}); err != nil {
		e.t.Fatal(err)
	}
	return name
}

func TestObjectLockKeepsVersions(t *testing.T) {
	e := start(t)
	b, k := e.lockedBucket("locked"), aws.String("k")
	if v, err := e.GetBucketVersioning(e.ctx(), &awss3.GetBucketVersioningInput{Bucket: &b}); err != nil || v.Status != types.BucketVersioningStatusEnabled {
		t.Errorf("%+v, %v", v, err)
	}
	_, err := e.PutBucketVersioning(e.ctx(), &awss3.PutBucketVersioningInput{Bucket: &b, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusSuspended}})
	wantCode(t, err, "InvalidBucketState")

	later := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	put := func(in awss3.PutObjectInput) *string {
		t.Helper()
		in.Bucket, in.Key, in.Body = &b, k, strings.NewReader("x")
		out, err := e.PutObject(e.ctx(), &in)
		if err != nil {
			t.Fatal(err)
		}
		return out.VersionId
	}
	remove := func(version *string, bypass bool) error {
		in := &awss3.DeleteObjectInput{Bucket: &b, Key: k, VersionId: version}
		if bypass {
			in.BypassGovernanceRetention = aws.Bool(true)
		}
		_, err := e.DeleteObject(e.ctx(), in)
		return err
	}
	retain := func(version *string, mode types.ObjectLockRetentionMode, until time.Time, bypass bool) error {
		_, err := e.PutObjectRetention(e.ctx(), &awss3.PutObjectRetentionInput{
			Bucket: &b, Key: k, VersionId: version, BypassGovernanceRetention: aws.Bool(bypass), Retention: &types.ObjectLockRetention{Mode: mode, RetainUntilDate: &until},
		})
		return err
	}

	governed := put(awss3.PutObjectInput{ObjectLockMode: types.ObjectLockModeGovernance, ObjectLockRetainUntilDate: &later})
	h, err := e.HeadObject(e.ctx(), &awss3.HeadObjectInput{Bucket: &b, Key: k})
	if err != nil || h.ObjectLockMode != types.ObjectLockModeGovernance || !aws.ToTime(h.ObjectLockRetainUntilDate).Equal(later) {
		t.Errorf("%+v, %v", h, err)
	}
	wantCode(t, remove(governed, false), "AccessDenied")
	if err := retain(governed, types.ObjectLockRetentionModeGovernance, later.Add(time.Hour), false); err != nil {
		t.Errorf("longer: %v", err)
	}
	wantCode(t, retain(governed, types.ObjectLockRetentionModeGovernance, later, false), "AccessDenied")
	if err := retain(governed, types.ObjectLockRetentionModeGovernance, later, true); err != nil {
		t.Errorf("shorter, bypassed: %v", err)
	}
	if err := remove(nil, false); err != nil {
		t.Errorf("a delete marker removes nothing: %v", err)
	}
	if err := remove(governed, true); err != nil {
		t.Errorf("bypassed: %v", err)
	}

	compliant := put(awss3.PutObjectInput{ObjectLockMode: types.ObjectLockModeCompliance, ObjectLockRetainUntilDate: &later})
	wantCode(t, remove(compliant, true), "AccessDenied")
	wantCode(t, retain(compliant, types.ObjectLockRetentionModeGovernance, later.Add(time.Hour), true), "AccessDenied")

	held := put(awss3.PutObjectInput{ObjectLockLegalHoldStatus: types.ObjectLockLegalHoldStatusOn})
	wantCode(t, remove(held, true), "AccessDenied")
	if out, err := e.DeleteObjects(e.ctx(), &awss3.DeleteObjectsInput{Bucket: &b, Delete: &types.Delete{Objects: []types.ObjectIdentifier{{Key: k, VersionId: held}}}}); err != nil || len(out.Errors) != 1 || *out.Errors[0].Code != "AccessDenied" {
		t.Errorf("%+v, %v", out, err)
	}
	if out, err := e.GetObjectLegalHold(e.ctx(), &awss3.GetObjectLegalHoldInput{Bucket: &b, Key: k, VersionId: held}); err != nil || out.LegalHold.Status != types.ObjectLockLegalHoldStatusOn {
		t.Errorf("%+v, %v", out, err)
	}
	if _, err := e.PutObjectLegalHold(e.ctx(), &awss3.PutObjectLegalHoldInput{Bucket: &b, Key: k, VersionId: held, LegalHold: &types.ObjectLockLegalHold{Status: types.ObjectLockLegalHoldStatusOff}}); err != nil {
		t.Error(err)
	}
	if err := remove(held, false); err != nil {
		t.Errorf("no longer held: %v", err)
	}

	// The bucket's default is for versions that come after it, and for multipart uploads.
	_, err = e.PutObjectLockConfiguration(e.ctx(), &awss3.PutObjectLockConfigurationInput{Bucket: &b, ObjectLockConfiguration: &types.ObjectLockConfiguration{
		ObjectLockEnabled: types.ObjectLockEnabledEnabled,
		Rule:              &types.ObjectLockRule{DefaultRetention: &types.DefaultRetention{Mode: types.ObjectLockRetentionModeCompliance, Days: aws.Int32(2)}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if out, err := e.GetObjectLockConfiguration(e.ctx(), &awss3.GetObjectLockConfigurationInput{Bucket: &b}); err != nil || *out.ObjectLockConfiguration.Rule.DefaultRetention.Days != 2 {
		t.Errorf("%+v, %v", out, err)
	}
	wantCode(t, remove(put(awss3.PutObjectInput{}), true), "AccessDenied")
	u := e.begin(b, "upload")
	u.part(1, []byte("y"))
	if _, err := u.complete(); err != nil {
		t.Fatal(err)
	}
	out, err := e.GetObjectRetention(e.ctx(), &awss3.GetObjectRetentionInput{Bucket: &b, Key: aws.String("upload")})
	if err != nil || out.Retention.Mode != types.ObjectLockRetentionModeCompliance || time.Until(*out.Retention.RetainUntilDate) < 47*time.Hour {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestObjectLockNeedsABucketThatHasIt(t *testing.T) {
	e := start(t)
	b := e.bucket("unlocked")
	e.put(b, "k", []byte("x"))
	later := time.Now().Add(time.Hour)
	_, err := e.PutObject(e.ctx(), &awss3.PutObjectInput{Bucket: &b, Key: aws.String("k"), ObjectLockMode: types.ObjectLockModeGovernance, ObjectLockRetainUntilDate: &later})
	wantCode(t, err, "InvalidRequest")
	_, err = e.GetObjectRetention(e.ctx(), &awss3.GetObjectRetentionInput{Bucket: &b, Key: aws.String("k")})
	wantCode(t, err, "InvalidRequest")
	_, err = e.PutObjectLegalHold(e.ctx(), &awss3.PutObjectLegalHoldInput{Bucket: &b, Key: aws.String("k"), LegalHold: &types.ObjectLockLegalHold{Status: types.ObjectLockLegalHoldStatusOn}})
	wantCode(t, err, "InvalidRequest")
	_, err = e.DeleteObject(e.ctx(), &awss3.DeleteObjectInput{Bucket: &b, Key: aws.String("k"), BypassGovernanceRetention: aws.Bool(true)})
	wantCode(t, err, "InvalidArgument")
	on := &types.ObjectLockConfiguration{ObjectLockEnabled: types.ObjectLockEnabledEnabled}
	_, err = e.PutObjectLockConfiguration(e.ctx(), &awss3.PutObjectLockConfigurationInput{Bucket: &b, ObjectLockConfiguration: on})
	wantCode(t, err, "InvalidBucketState")
	e.versioning(b, types.BucketVersioningStatusEnabled)
	if _, err := e.PutObjectLockConfiguration(e.ctx(), &awss3.PutObjectLockConfigurationInput{Bucket: &b, ObjectLockConfiguration: on}); err != nil {
		t.Error(err)
	}
}

func FuzzParseRetention(f *testing.F) {
	f.Add([]byte(`<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>2030-01-01T00:00:00Z</RetainUntilDate></Retention>`))
	f.Add([]byte(`<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>`))
	now := time.Unix(1, 0)
	f.Fuzz(func(t *testing.T, body []byte) {
		if l, err := parseRetention(body, now); err == nil && (l.Mode == "") != (l.Until == 0) {
			t.Errorf("%+v", l)
		}
		if l, err := parseLockConfiguration(body); err == nil && (l.Mode == "") != (l.Days == 0 && l.Years == 0) {
			t.Errorf("%+v", l)
		}
	})
}
