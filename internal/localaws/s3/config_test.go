package s3

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// A bucket's sub-resources are there from the start as on S3, are kept as they were put,
// and go when they are deleted.
func TestSubresourcesAreKeptAndShown(t *testing.T) {
	e := start(t)
	b := e.bucket("sub-resources")
	ctx := e.ctx()

	enc, err := e.GetBucketEncryption(ctx, &awss3.GetBucketEncryptionInput{Bucket: &b})
	if err != nil || enc.ServerSideEncryptionConfiguration.Rules[0].ApplyServerSideEncryptionByDefault.SSEAlgorithm != types.ServerSideEncryptionAes256 {
		t.Errorf("encryption of a new bucket = %+v, %v", enc, err)
	}
	pab, err := e.GetPublicAccessBlock(ctx, &awss3.GetPublicAccessBlockInput{Bucket: &b})
	if err != nil || !*pab.PublicAccessBlockConfiguration.BlockPublicAcls || !*pab.PublicAccessBlockConfiguration.RestrictPublicBuckets {
		t.Errorf("PublicAccessBlock of a new bucket = %+v, %v", pab, err)
	}
	e.unblock(b)
	_, err = e.GetPublicAccessBlock(ctx, &awss3.GetPublicAccessBlockInput{Bucket: &b})
	wantCode(t, err, "NoSuchPublicAccessBlockConfiguration")

	_, err = e.GetBucketWebsite(ctx, &awss3.GetBucketWebsiteInput{Bucket: &b})
	wantCode(t, err, "NoSuchWebsiteConfiguration")
	site := &types.WebsiteConfiguration{IndexDocument: &types.IndexDocument{Suffix: aws.String("index.html")}, ErrorDocument: &types.ErrorDocument{Key: aws.String("a<b&c")}}
	if _, err := e.PutBucketWebsite(ctx, &awss3.PutBucketWebsiteInput{Bucket: &b, WebsiteConfiguration: site}); err != nil {
		t.Fatal(err)
	}
	if got, err := e.GetBucketWebsite(ctx, &awss3.GetBucketWebsiteInput{Bucket: &b}); err != nil || *got.ErrorDocument.Key != "a<b&c" {
		t.Errorf("website = %+v, %v", got, err)
	}
	if _, err := e.DeleteBucketWebsite(ctx, &awss3.DeleteBucketWebsiteInput{Bucket: &b}); err != nil {
		t.Error(err)
	}
	_, err = e.GetBucketWebsite(ctx, &awss3.GetBucketWebsiteInput{Bucket: &b})
	wantCode(t, err, "NoSuchWebsiteConfiguration")

	if pay, err := e.GetBucketRequestPayment(ctx, &awss3.GetBucketRequestPaymentInput{Bucket: &b}); err != nil || pay.Payer != types.PayerBucketOwner {
		t.Errorf("request payment = %+v, %v", pay, err)
	}
	_, err = e.PutBucketLogging(ctx, &awss3.PutBucketLoggingInput{Bucket: &b, BucketLoggingStatus: &types.BucketLoggingStatus{
		LoggingEnabled: &types.LoggingEnabled{TargetBucket: aws.String("no-such-bucket"), TargetPrefix: aws.String("")},
	}})
	wantCode(t, err, "InvalidTargetBucketForLogging")
	_, err = e.GetBucketReplication(ctx, &awss3.GetBucketReplicationInput{Bucket: &b})
	wantCode(t, err, "ReplicationConfigurationNotFoundError")

	if status, body := e.signedBody("PUT", "/"+b+"?tagging", "<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet></Tagging>"); status != 204 {
		t.Errorf("tags: %d %s", status, body)
	}
	if status, body := e.signedBody("PUT", "/"+b+"?tagging", "<Tagging/>"); status != 204 {
		t.Errorf("no tags: %d %s", status, body)
	}
	_, err = e.GetBucketTagging(ctx, &awss3.GetBucketTaggingInput{Bucket: &b})
	wantCode(t, err, "NoSuchTagSet")

	// A bucket of the same name knows nothing of its predecessor.
	if _, err := e.PutBucketAccelerateConfiguration(ctx, &awss3.PutBucketAccelerateConfigurationInput{Bucket: &b, AccelerateConfiguration: &types.AccelerateConfiguration{Status: types.BucketAccelerateStatusEnabled}}); err != nil {
		t.Fatal(err)
	}
	if _, err := e.DeleteBucket(ctx, &awss3.DeleteBucketInput{Bucket: &b}); err != nil {
		t.Fatal(err)
	}
	e.bucket(b)
	if acc, err := e.GetBucketAccelerateConfiguration(ctx, &awss3.GetBucketAccelerateConfigurationInput{Bucket: &b}); err != nil || acc.Status != "" {
		t.Errorf("acceleration of a new bucket = %+v, %v", acc, err)
	}
}

// Of inventories and their like a bucket has many, listed page by page.
func TestConfigurationsByID(t *testing.T) {
	e := start(t)
	b := e.bucket("many")
	ctx := e.ctx()
	const n = maxConfigurations + 5
	for i := range n {
		id := fmt.Sprintf("m%03d", i)
		if _, err := e.PutBucketMetricsConfiguration(ctx, &awss3.PutBucketMetricsConfigurationInput{Bucket: &b, Id: &id, MetricsConfiguration: &types.MetricsConfiguration{Id: &id}}); err != nil {
			t.Fatal(err)
		}
	}
	seen := 0
	in := &awss3.ListBucketMetricsConfigurationsInput{Bucket: &b}
	for {
		page, err := e.ListBucketMetricsConfigurations(ctx, in)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range page.MetricsConfigurationList {
			if want := fmt.Sprintf("m%03d", seen); *m.Id != want {
				t.Fatalf("got %s, want %s", *m.Id, want)
			}
			seen++
		}
		if !*page.IsTruncated {
			break
		}
		in.ContinuationToken = page.NextContinuationToken
	}
	if seen != n {
		t.Errorf("%d configurations listed, %d made", seen, n)
	}
	_, err := e.PutBucketMetricsConfiguration(ctx, &awss3.PutBucketMetricsConfigurationInput{Bucket: &b, Id: aws.String("x"), MetricsConfiguration: &types.MetricsConfiguration{Id: aws.String("y")}})
	wantCode(t, err, "MalformedXML")
	_, err = e.GetBucketMetricsConfiguration(ctx, &awss3.GetBucketMetricsConfigurationInput{Bucket: &b, Id: aws.String("x")})
	wantCode(t, err, "NoSuchConfiguration")
	_, err = e.DeleteBucketMetricsConfiguration(ctx, &awss3.DeleteBucketMetricsConfigurationInput{Bucket: &b, Id: aws.String("x")})
	wantCode(t, err, "NoSuchConfiguration")
}

func TestLifecycleConfigurationsThatS3Refuses(t *testing.T) {
	e := start(t)
	b := e.bucket("rules")
	rule := func(inner string) string {
		return "<LifecycleConfiguration><Rule>" + inner + "</Rule></LifecycleConfiguration>"
	}
	const on, all = "<Status>Enabled</Status>", "<Filter/>"
	for name, c := range map[string]struct{ doc, code, text string }{
		"no rule":          {"<LifecycleConfiguration/>", "MalformedXML", ""},
		"no XML":           {"<LifecycleConfiguration>", "MalformedXML", ""},
		"no filter":        {rule(on + "<Expiration><Days>1</Days></Expiration>"), "MalformedXML", ""},
		"filter, prefix":   {rule(on + all + "<Prefix>a</Prefix><Expiration><Days>1</Days></Expiration>"), "MalformedXML", ""},
		"status":           {rule("<Status>enabled</Status>" + all + "<Expiration><Days>1</Days></Expiration>"), "MalformedXML", ""},
		"no action":        {rule(on + all), "InvalidRequest", "At least one action"},
		"zero days":        {rule(on + all + "<Expiration><Days>0</Days></Expiration>"), "InvalidArgument", "positive integer"},
		"not midnight":     {rule(on + all + "<Expiration><Date>2023-01-01T02:02:00Z</Date></Expiration>"), "InvalidArgument", "midnight GMT"},
		"days and date":    {rule(on + all + "<Expiration><Days>1</Days><Date>2023-01-01</Date></Expiration>"), "MalformedXML", ""},
		"and of one":       {rule(on + "<Filter><And><Prefix>a</Prefix></And></Filter><Expiration><Days>1</Days></Expiration>"), "MalformedXML", ""},
		"tag twice":        {rule(on + "<Filter><And><Tag><Key>a</Key><Value>1</Value></Tag><Tag><Key>a</Key><Value>2</Value></Tag></And></Filter><Expiration><Days>1</Days></Expiration>"), "InvalidRequest", "Duplicate Tag Keys"},
		"abort with tag":   {rule(on + "<Filter><Tag><Key>a</Key><Value>1</Value></Tag></Filter><AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation></AbortIncompleteMultipartUpload>"), "InvalidRequest", "cannot be specified with Tags"},
		"long id":          {rule("<ID>" + strings.Repeat("i", 256) + "</ID>" + on + all + "<Expiration><Days>1</Days></Expiration>"), "InvalidArgument", "ID length"},
		"unknown element":  {rule(on + all + "<Explode/>"), "MalformedXML", ""},
		"bad storage":      {rule(on + all + "<Transition><Days>40</Days><StorageClass>ATTIC</StorageClass></Transition>"), "MalformedXML", ""},
		"early transition": {rule(on + all + "<Transition><Days>3</Days><StorageClass>STANDARD_IA</StorageClass></Transition>"), "InvalidArgument", "greater than or equal to 30"},
	} {
		status, body := e.signedBody("PUT", "/"+b+"?lifecycle", c.doc)
		if status != http.StatusBadRequest || !strings.Contains(body, "<Code>"+c.code+"</Code>") || !strings.Contains(body, c.text) {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
}

// FuzzDocuments holds every sub-resource's parser against arbitrary documents: what is
// accepted is accepted again as it is shown.
func FuzzDocuments(f *testing.F) {
	f.Add(`<LifecycleConfiguration><Rule><ID>a</ID><Status>Enabled</Status><Filter><And><Prefix>p</Prefix><Tag><Key>k</Key><Value>v</Value></Tag></And></Filter><Expiration><Days>1</Days></Expiration></Rule></LifecycleConfiguration>`)
	f.Add(`<WebsiteConfiguration><IndexDocument><Suffix>i</Suffix></IndexDocument><RoutingRules><RoutingRule><Redirect><HostName>h</HostName></Redirect></RoutingRule></RoutingRules></WebsiteConfiguration>`)
	f.Add(`<BucketLoggingStatus xmlns="x"><LoggingEnabled><TargetBucket>t</TargetBucket><TargetPrefix/><TargetGrants><Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="Group"><URI>u</URI></Grantee><Permission>READ</Permission></Grant></TargetGrants></LoggingEnabled></BucketLoggingStatus>`)
	f.Add(`<AccessControlPolicy><Owner><ID>o</ID></Owner><AccessControlList><Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"><ID>o</ID></Grantee><Permission>READ</Permission></Grant></AccessControlList></AccessControlPolicy>`)
	f.Add(`<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>`)
	f.Fuzz(func(t *testing.T, doc string) {
		for _, k := range configurations() {
			e, err := readDocument([]byte(doc), k.root, k.shape)
			if err != nil {
				continue
			}
			shown := e.encode()
			if _, err := readDocument(shown, k.root, k.shape); err != nil {
				t.Errorf("%s is refused when it is put as it was shown: %v", shown, err)
			}
			switch k.kind {
			case kindLifecycle:
				if checkLifecycleFilter(e.kids[0]) == nil && checkLifecycleActions(e.kids[0]) == nil {
					if _, err := parseLifecycle(e.encode()); err != nil {
						t.Errorf("%s: %v", e.encode(), err)
					}
				}
			case "website":
				_ = checkWebsite(configRequest{}, e)
			}
		}
		if a, err := parseACL([]byte(doc), "o"); err == nil {
			if again, err := parseACL(a.document("o"), "o"); err != nil || len(again.Grants) != len(a.Grants) {
				t.Errorf("the ACL %s: %v", a.document("o"), err)
			}
		}
		if c, err := readCORS([]byte(doc)); err == nil {
			if rules, err := parseCORS(c.encode()); err != nil || len(rules) == 0 {
				t.Errorf("the rules %s: %v", c.encode(), err)
			}
		}
	})
}

// signedBody sends a signed document with its checksum and further headers, names and
// values by turns.
func (e *env) signedBody(method, target, doc string, header ...string) (int, string) {
	e.t.Helper()
	sum := sha256.Sum256([]byte(doc))
	hash := hex.EncodeToString(sum[:])
	req, err := http.NewRequestWithContext(e.ctx(), method, e.server.URL+target, strings.NewReader(doc))
	if err != nil {
		e.t.Fatal(err)
	}
	md := md5.Sum([]byte(doc))
	req.Header.Set("Content-Md5", base64.StdEncoding.EncodeToString(md[:]))
	req.Header.Set("X-Amz-Content-Sha256", hash)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	req.Close = true
	if err := v4.NewSigner().SignHTTP(e.ctx(), aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, req, hash, "s3", "us-east-1", time.Now()); err != nil {
		e.t.Fatal(err)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		e.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		e.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}
