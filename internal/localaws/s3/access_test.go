package s3

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func (e *env) policy(b, statement string) error {
	_, err := e.PutBucketPolicy(e.ctx(), &awss3.PutBucketPolicyInput{Bucket: &b, Policy: aws.String(`{"Version":"2012-10-17","Statement":[` + statement + `]}`)})
	return err
}

// anonymous is the status that a caller without signature gets.
func (e *env) anonymous(method, path, body string, header map[string]string) int {
	e.t.Helper()
	resp, _ := e.send(method, e.server.URL+path, header, strings.NewReader(body))
	return resp.StatusCode
}

func TestPoliciesDecideAboutAnybody(t *testing.T) {
	e := start(t)
	b := e.bucket("policies")
	e.unblock(b)
	e.put(b, "a", []byte("x"))
	if _, err := e.PutObjectTagging(e.ctx(), &awss3.PutObjectTaggingInput{Bucket: &b, Key: aws.String("a"), Tagging: &types.Tagging{TagSet: []types.Tag{{Key: aws.String("level"), Value: aws.String("open")}}}}); err != nil {
		t.Fatal(err)
	}
	const get = `"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::policies/*"`
	for name, c := range map[string]struct {
		statement string
		want      int
	}{
		"allowed":           {`{` + get + `}`, 200},
		"other key":         {`{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::policies/b*"}`, 403},
		"denied":            {`{` + get + `},{"Effect":"Deny","Principal":"*","Action":"s3:Get*","Resource":"*"}`, 403},
		"from here":         {`{` + get + `,"Condition":{"IpAddress":{"aws:SourceIp":"127.0.0.0/8"}}}`, 200},
		"from elsewhere":    {`{` + get + `,"Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}`, 403},
		"with TLS":          {`{` + get + `,"Condition":{"Bool":{"aws:SecureTransport":"true"}}}`, 403},
		"open tag":          {`{` + get + `,"Condition":{"StringEquals":{"s3:ExistingObjectTag/level":"open"}}}`, 200},
		"another tag":       {`{` + get + `,"Condition":{"StringEquals":{"s3:ExistingObjectTag/level":"closed"}}}`, 403},
		"account alone":     {`{"Effect":"Allow","Principal":{"AWS":"000000000000"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::policies/*"}`, 403},
		"referer as wished": {`{` + get + `,"Condition":{"StringLike":{"aws:Referer":"http://www.example.com/*"}}}`, 200},
	} {
		if err := e.policy(b, c.statement); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := e.anonymous("GET", "/policies/a", "", map[string]string{"Referer": "http://www.example.com/x"}); got != c.want {
			t.Errorf("%s: status %d, want %d", name, got, c.want)
		}
	}
	// Who may not list learns nothing of what is not there.
	if err := e.policy(b, `{`+get+`}`); err != nil {
		t.Fatal(err)
	}
	if got := e.anonymous("GET", "/policies/absent", "", nil); got != http.StatusForbidden {
		t.Errorf("an absent key: %d, want 403", got)
	}
	if err := e.policy(b, `{`+get+`},{"Effect":"Allow","Principal":"*","Action":"s3:ListBucket","Resource":"arn:aws:s3:::policies","Condition":{"StringLike":{"s3:prefix":"pub*"}}}`); err != nil {
		t.Fatal(err)
	}
	if ok, no := e.anonymous("GET", "/policies?list-type=2&prefix=public/", "", nil), e.anonymous("GET", "/policies?list-type=2", "", nil); ok != 200 || no != 403 {
		t.Errorf("listing with the prefix: %d, without: %d", ok, no)
	}
}

// A policy binds the account's own user, too, who can always undo it.
func TestDenyBindsTheOwner(t *testing.T) {
	e := start(t)
	b := e.bucket("strict")
	e.put(b, "a", []byte("x"))
	if err := e.policy(b, `{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::strict","arn:aws:s3:::strict/*"]}`); err != nil {
		t.Fatal(err)
	}
	_, err := e.GetObject(e.ctx(), &awss3.GetObjectInput{Bucket: &b, Key: aws.String("a")})
	wantCode(t, err, "AccessDenied")
	_, err = e.PutObject(e.ctx(), &awss3.PutObjectInput{Bucket: &b, Key: aws.String("a")})
	wantCode(t, err, "AccessDenied")
	if _, err := e.DeleteBucketPolicy(e.ctx(), &awss3.DeleteBucketPolicyInput{Bucket: &b}); err != nil {
		t.Fatal(err)
	}
	if got := e.get(b, "a"); string(got) != "x" {
		t.Errorf("got %q", got)
	}
}

func TestPoliciesThatS3Refuses(t *testing.T) {
	e := start(t)
	b := e.bucket("refused")
	e.unblock(b)
	const on = `"Resource":"arn:aws:s3:::refused/*"`
	for policy, want := range map[string]string{
		``:                 "first byte must be '{'",
		`["a"]`:            "first byte must be '{'",
		`{"a"}`:            "invalid Json",
		`{}`:               "Missing required field Statement",
		`{"Statement":[]}`: "Statement is empty",
		`{"Statement":[{"Principal":"*","Action":"s3:GetObject",` + on + `}]}`:                                                                     "Missing required field Effect",
		`{"Statement":[{"Effect":"Allow","Action":"s3:GetObject",` + on + `}]}`:                                                                    "Missing required field Principal",
		`{"Statement":[{"Effect":"Perhaps","Principal":"*","Action":"s3:GetObject",` + on + `}]}`:                                                  "Invalid effect",
		`{"Statement":[{"Effect":"Allow","Principal":"anna","Action":"s3:GetObject",` + on + `}]}`:                                                 "Invalid principal in policy",
		`{"Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:Paint",` + on + `}]}`:                                                        "invalid action",
		`{"Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:ListBucket",` + on + `}]}`:                                                   "does not apply to any resource",
		`{"Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::other/*"}]}`:                             "invalid resource",
		`{"Version":"1999-01-01","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject",` + on + `}]}`:                             "valid version string",
		`{"Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject",` + on + `,"Condition":{"StringEquals":{"s3:colour":"red"}}}]}`:   "condition key",
		`{"Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject",` + on + `,"Condition":{"IpAddress":{"aws:SourceIp":"house"}}}]}`: "Invalid IP address",
	} {
		status, body := e.signedBody("PUT", "/"+b+"?policy", policy)
		if status != http.StatusBadRequest || !strings.Contains(body, "MalformedPolicy") || !strings.Contains(strings.ReplaceAll(body, "&#39;", "'"), want) {
			t.Errorf("%s: %d %s, want %q", policy, status, body, want)
		}
	}
}

func TestPublicAccessBlock(t *testing.T) {
	e := start(t)
	b := e.bucket("blocked")
	public := `{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::blocked/*"}`
	wantCode(t, e.policy(b, public), "AccessDenied")
	if err := e.policy(b, `{"Effect":"Allow","Principal":{"AWS":"111111111111"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::blocked/*"}`); err != nil {
		t.Errorf("a policy for one account was taken for a public one: %v", err)
	}
	e.unblock(b)
	if err := e.policy(b, public); err != nil {
		t.Fatal(err)
	}
	e.put(b, "a", []byte("x"))
	if got := e.anonymous("GET", "/blocked/a", "", nil); got != 200 {
		t.Errorf("public policy: %d", got)
	}
	if st, err := e.GetBucketPolicyStatus(e.ctx(), &awss3.GetBucketPolicyStatusInput{Bucket: &b}); err != nil || !*st.PolicyStatus.IsPublic {
		t.Errorf("policy status = %+v, %v", st, err)
	}
	_, err := e.PutPublicAccessBlock(e.ctx(), &awss3.PutPublicAccessBlockInput{Bucket: &b, PublicAccessBlockConfiguration: &types.PublicAccessBlockConfiguration{RestrictPublicBuckets: aws.Bool(true)}})
	if err != nil {
		t.Fatal(err)
	}
	if got := e.anonymous("GET", "/blocked/a", "", nil); got != 403 {
		t.Errorf("with RestrictPublicBuckets: %d, want 403", got)
	}
}

// ACLs count once the bucket says so, for buckets and for single objects.
func TestACLs(t *testing.T) {
	e := start(t)
	b := e.bucket("lists")
	ctx := e.ctx()
	_, err := e.PutBucketAcl(ctx, &awss3.PutBucketAclInput{Bucket: &b, ACL: types.BucketCannedACLPublicRead})
	wantCode(t, err, "AccessControlListNotSupported")
	if _, err := e.DeleteBucketOwnershipControls(ctx, &awss3.DeleteBucketOwnershipControlsInput{Bucket: &b}); err != nil {
		t.Fatal(err)
	}
	_, err = e.PutBucketAcl(ctx, &awss3.PutBucketAclInput{Bucket: &b, ACL: types.BucketCannedACLPublicRead})
	wantCode(t, err, "AccessDenied") // BlockPublicAcls
	e.unblock(b)
	put := func(key string, acl types.ObjectCannedACL) {
		t.Helper()
		if _, err := e.PutObject(ctx, &awss3.PutObjectInput{Bucket: &b, Key: &key, Body: strings.NewReader("x"), ACL: acl}); err != nil {
			t.Fatal(err)
		}
	}
	put("closed", "")
	put("open", types.ObjectCannedACLPublicRead)
	if open, closed := e.anonymous("GET", "/lists/open", "", nil), e.anonymous("GET", "/lists/closed", "", nil); open != 200 || closed != 403 {
		t.Errorf("open object: %d, closed object: %d", open, closed)
	}
	if got := e.anonymous("GET", "/lists", "", nil); got != 403 {
		t.Errorf("listing before: %d", got)
	}
	if _, err := e.PutBucketAcl(ctx, &awss3.PutBucketAclInput{Bucket: &b, ACL: types.BucketCannedACLPublicReadWrite}); err != nil {
		t.Fatal(err)
	}
	if list, write, read := e.anonymous("GET", "/lists", "", nil), e.anonymous("PUT", "/lists/theirs", "y", nil), e.anonymous("GET", "/lists/closed", "", nil); list != 200 || write != 200 || read != 403 {
		t.Errorf("with public-read-write: list %d, write %d, read of a closed object %d", list, write, read)
	}
	got, err := e.GetBucketAcl(ctx, &awss3.GetBucketAclInput{Bucket: &b})
	if err != nil || len(got.Grants) != 3 || got.Grants[1].Grantee.Type != types.TypeGroup || *got.Grants[1].Grantee.URI != groupAll || got.Grants[0].Permission != types.PermissionFullControl || *got.Owner.ID != canonicalID("000000000000") {
		t.Errorf("ACL = %+v, %v", got, err)
	}
	if _, err := e.PutObjectAcl(ctx, &awss3.PutObjectAclInput{Bucket: &b, Key: aws.String("closed"), AccessControlPolicy: &types.AccessControlPolicy{
		Owner:  got.Owner,
		Grants: []types.Grant{{Grantee: &types.Grantee{Type: types.TypeGroup, URI: aws.String(groupAll)}, Permission: types.PermissionRead}},
	}}); err != nil {
		t.Fatal(err)
	}
	if got := e.anonymous("GET", "/lists/closed", "", nil); got != 200 {
		t.Errorf("after PutObjectAcl: %d", got)
	}
	if acl, err := e.GetObjectAcl(ctx, &awss3.GetObjectAclInput{Bucket: &b, Key: aws.String("closed")}); err != nil || len(acl.Grants) != 1 {
		t.Errorf("ACL of the object = %+v, %v", acl, err)
	}
	for header, want := range map[string]string{
		"x-amz-acl: loud":                        "InvalidArgument",
		"x-amz-grant-read: id=\"nobody\"":        "Invalid id",
		"x-amz-grant-read: uri=\"http://group\"": "Invalid group uri",
		"x-amz-grant-write: colour=\"red\"":      "Argument format not recognized",
	} {
		name, value, _ := strings.Cut(header, ": ")
		if status, body := e.signedBody("PUT", "/"+b+"?acl", "", name, value); status != 400 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", header, status, body)
		}
	}
	if status, body := e.signedBody("PUT", "/"+b+"?acl", ""); status != 400 || !strings.Contains(body, "MissingSecurityHeader") {
		t.Errorf("no ACL at all: %d %s", status, body)
	}
}

// What is remembered of buckets is remembered of the right ones: names come out of
// memory that the next request overwrites.
func TestSettingsBelongToTheirBucket(t *testing.T) {
	e := start(t)
	name := func(i int) string { return fmt.Sprintf("bucket-%02d%s", i, strings.Repeat("x", i%5)) }
	const n = 24
	for i := range n {
		b := e.bucket(name(i))
		e.put(b, "a", []byte("x"))
		if i%2 == 0 {
			e.unblock(b)
			if err := e.policy(b, `{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::`+b+`/*"}`); err != nil {
				t.Fatal(err)
			}
		}
	}
	for round := range 3 {
		for i := range n {
			want := 403
			if i%2 == 0 {
				want = 200
			}
			if got := e.anonymous("GET", "/"+name(i)+"/a", "", nil); got != want {
				t.Errorf("round %d, %s: status %d, want %d", round, name(i), got, want)
			}
		}
	}
	known := 0
	e.svc.known.Range(func(k, _ any) bool {
		known++
		if _, err := e.HeadBucket(e.ctx(), &awss3.HeadBucketInput{Bucket: aws.String(k.(string))}); err != nil {
			t.Errorf("settings are remembered of %q, which is no bucket", k)
		}
		return true
	})
	if known != n {
		t.Errorf("%d settings are remembered of %d buckets", known, n)
	}
}

// Whoever may list a bucket is told what is not in it; an ACL may be empty.
func TestListersLearnOfAbsence(t *testing.T) {
	e := start(t)
	b := e.bucket("absence")
	if _, err := e.DeleteBucketOwnershipControls(e.ctx(), &awss3.DeleteBucketOwnershipControlsInput{Bucket: &b}); err != nil {
		t.Fatal(err)
	}
	e.unblock(b)
	if got := e.anonymous("GET", "/absence/a", "", nil); got != 403 {
		t.Errorf("a private bucket: %d", got)
	}
	if _, err := e.PutBucketAcl(e.ctx(), &awss3.PutBucketAclInput{Bucket: &b, ACL: types.BucketCannedACLPublicRead}); err != nil {
		t.Fatal(err)
	}
	if got := e.anonymous("GET", "/absence/a", "", nil); got != 404 {
		t.Errorf("a listed bucket: %d", got)
	}
	owner := canonicalID("000000000000")
	if _, err := e.PutBucketAcl(e.ctx(), &awss3.PutBucketAclInput{Bucket: &b, AccessControlPolicy: &types.AccessControlPolicy{Owner: &types.Owner{ID: &owner}, Grants: []types.Grant{}}}); err != nil {
		t.Fatal(err)
	}
	if acl, err := e.GetBucketAcl(e.ctx(), &awss3.GetBucketAclInput{Bucket: &b}); err != nil || len(acl.Grants) != 0 {
		t.Errorf("ACL = %+v, %v", acl, err)
	}
}

func TestBucketNames(t *testing.T) {
	e := start(t)
	for _, name := range []string{"a..b", "a.-b", "a-.b", "xn--abc", "sthree-a", "amzn-s3-demo-a", "abc-s3alias", "abc--ol-s3", "abc.mrap", "10.0.0.1", "ab", strings.Repeat("a", 64), "Abc", "-abc", "abc-", "a_bc"} {
		if status, body := e.signedBody("PUT", "/"+name, ""); status != 400 || !strings.Contains(body, "InvalidBucketName") {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	for _, name := range []string{"abc", "a.b.c", "a--b", "0abc9", strings.Repeat("a", 63)} {
		if status, body := e.signedBody("PUT", "/"+name, ""); status != 200 {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
}

func TestWhereABucketIs(t *testing.T) {
	e := start(t)
	for location, want := range map[string]string{"us-east-1": "InvalidLocationConstraint", "moon-1": "InvalidLocationConstraint", "eu-west-3": ""} {
		_, err := e.CreateBucket(e.ctx(), &awss3.CreateBucketInput{Bucket: aws.String("located"), CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(location)}})
		wantCode(t, err, want)
	}
	if l, err := e.GetBucketLocation(e.ctx(), &awss3.GetBucketLocationInput{Bucket: aws.String("located")}); err != nil || l.LocationConstraint != "eu-west-3" {
		t.Errorf("location = %+v, %v", l, err)
	}
	if h, err := e.HeadBucket(e.ctx(), &awss3.HeadBucketInput{Bucket: aws.String("located")}); err != nil || aws.ToString(h.BucketRegion) != "eu-west-3" {
		t.Errorf("head = %+v, %v", h, err)
	}
	e.bucket("here")
	_, err := e.PutBucketLogging(e.ctx(), &awss3.PutBucketLoggingInput{Bucket: aws.String("here"), BucketLoggingStatus: &types.BucketLoggingStatus{LoggingEnabled: &types.LoggingEnabled{TargetBucket: aws.String("located"), TargetPrefix: aws.String("l")}}})
	wantCode(t, err, "CrossLocationLoggingProhibitted")
	page, err := e.ListBuckets(e.ctx(), &awss3.ListBucketsInput{MaxBuckets: aws.Int32(1)})
	if err != nil || len(page.Buckets) != 1 || *page.Buckets[0].Name != "here" || aws.ToString(page.Buckets[0].BucketRegion) != "us-east-1" || page.ContinuationToken == nil {
		t.Fatalf("first page = %+v, %v", page, err)
	}
	page, err = e.ListBuckets(e.ctx(), &awss3.ListBucketsInput{MaxBuckets: aws.Int32(1), ContinuationToken: page.ContinuationToken})
	if err != nil || len(page.Buckets) != 1 || *page.Buckets[0].Name != "located" || page.ContinuationToken != nil {
		t.Errorf("second page = %+v, %v", page, err)
	}
	if only, err := e.ListBuckets(e.ctx(), &awss3.ListBucketsInput{BucketRegion: aws.String("eu-west-3")}); err != nil || len(only.Buckets) != 1 {
		t.Errorf("buckets of a region = %+v, %v", only, err)
	}
	_, err = e.ListBuckets(e.ctx(), &awss3.ListBucketsInput{MaxBuckets: aws.Int32(0)})
	wantCode(t, err, "InvalidArgument")
}
