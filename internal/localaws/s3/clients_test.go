package s3

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// run runs a client program against the service; it skips where there is none.
func (e *env) run(name string, args ...string) string {
	e.t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		e.t.Skipf("%s is not installed", name)
	}
	cmd := exec.CommandContext(e.ctx(), path, args...)
	cmd.Dir = e.t.TempDir()
	cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_DEFAULT_REGION=us-east-1", "AWS_ENDPOINT_URL="+e.server.URL,
		"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_EC2_METADATA_DISABLED=true", "AWS_PAGER=")
	out, err := cmd.CombinedOutput()
	if err != nil {
		e.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func TestTheAWSCommandLine(t *testing.T) {
	if testing.Short() {
		t.Skip("slow: starts a Python program a dozen times")
	}
	t.Parallel()
	e := start(t)
	if _, err := exec.LookPath("aws"); err != nil {
		t.Skip("the AWS CLI is not installed")
	}
	dir := t.TempDir()
	small, big := filepath.Join(dir, "small é.txt"), filepath.Join(dir, "big.bin")
	bigBytes := random(20<<20, 11) // over the CLI's threshold for multipart uploads
	if err := os.WriteFile(small, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(big, bigBytes, 0o600); err != nil {
		t.Fatal(err)
	}
	e.run("aws", "s3", "mb", "s3://cli-bucket")
	e.run("aws", "s3", "cp", big, "s3://cli-bucket/big é+.bin", "--metadata", "a=b")
	e.run("aws", "s3", "cp", "s3://cli-bucket/big é+.bin", filepath.Join(dir, "back.bin"))
	if got, err := os.ReadFile(filepath.Join(dir, "back.bin")); err != nil || string(got) != string(bigBytes) {
		t.Errorf("%d bytes came back, %v", len(got), err)
	}
	e.run("aws", "s3api", "put-bucket-notification-configuration", "--bucket", "cli-bucket", "--notification-configuration",
		`{"TopicConfigurations":[{"Id":"u","TopicArn":"`+topicARN+`","Events":["s3:ObjectCreated:*"]}]}`)
	e.run("aws", "s3", "cp", small, "s3://cli-bucket/dir/told.txt")
	if events := e.events(); len(events) != 2 || events[1].record["eventName"] != "ObjectCreated:Put" {
		t.Errorf("events: %v", events)
	}
	url := strings.TrimSpace(e.run("aws", "s3", "presign", "s3://cli-bucket/dir/told.txt"))
	if resp, body := e.send("GET", url, nil, nil); resp.StatusCode != http.StatusOK || body != "hello" {
		t.Errorf("presigned: %d %s", resp.StatusCode, body)
	}
	if out := e.run("aws", "s3", "ls", "s3://cli-bucket", "--recursive"); !strings.Contains(out, "dir/told.txt") || strings.Count(out, "\n") != 2 {
		t.Errorf("listing:\n%s", out)
	}
	e.run("aws", "s3", "rb", "--force", "s3://cli-bucket")
}

func TestBoto3(t *testing.T) {
	if testing.Short() {
		t.Skip("slow: starts a Python program")
	}
	t.Parallel()
	e := start(t)
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed")
	}
	if err := exec.Command(python, "-c", "import boto3").Run(); err != nil {
		t.Skip("boto3 is not installed")
	}
	script := filepath.Join(t.TempDir(), "client.py")
	if err := os.WriteFile(script, []byte(botoScript), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := e.run("python3", script); !strings.HasSuffix(strings.TrimSpace(out), "fine") {
		t.Errorf("boto3: %s", out)
	}
}

const botoScript = `
import io, urllib.error, urllib.request, boto3
from botocore.config import Config
from botocore.exceptions import ClientError
s3 = boto3.client("s3")
v4 = boto3.client("s3", config=Config(signature_version="s3v4"))
s3.create_bucket(Bucket="boto")
keys = ["a b+c%d/ü", "..", "../../etc/passwd", "/x", "a//b", "k" * 1024, "tab\t", "x/"]
for k in keys:
    s3.put_object(Bucket="boto", Key=k, Body=k.encode(), Metadata={"m": "v"}, ContentType="text/plain")
for k in keys:
    o = s3.get_object(Bucket="boto", Key=k)
    assert o["Body"].read() == k.encode() and o["Metadata"] == {"m": "v"}, k
got = [o["Key"] for p in s3.get_paginator("list_objects_v2").paginate(Bucket="boto", PaginationConfig={"PageSize": 3}) for o in p.get("Contents", [])]
assert got == sorted(keys, key=lambda k: k.encode()), got
got = [o["Key"] for p in s3.get_paginator("list_objects").paginate(Bucket="boto", PaginationConfig={"PageSize": 3}) for o in p.get("Contents", [])]
assert got == sorted(keys, key=lambda k: k.encode()), got
big = bytes(range(256)) * 4 * 1024 * 12
s3.upload_fileobj(io.BytesIO(big), "boto", "big")
out = io.BytesIO(); s3.download_fileobj("boto", "big", out)
assert out.getvalue() == big
# Uploads from files ask first whether to send. The connection must be good for the next one.
one = boto3.client("s3", config=Config(max_pool_connections=1, read_timeout=10, retries={"max_attempts": 0}))
for body in (b"", b"x", b"", b"y"):
    one.put_object(Bucket="boto", Key="put url", Body=io.BytesIO(body))
assert one.get_object(Bucket="boto", Key="put url")["Body"].read() == b"y"
s3.copy({"Bucket": "boto", "Key": "big"}, "boto", "../big copy")
assert s3.head_object(Bucket="boto", Key="../big copy")["ContentLength"] == len(big)
try:
    s3.put_object(Bucket="boto", Key="big", Body=b"x", IfNoneMatch="*")
    raise SystemExit("overwrote")
except ClientError as e:
    assert e.response["Error"]["Code"] == "PreconditionFailed", e
for signer in (s3, v4): # boto3 signs URLs and forms with version 2 unless told otherwise
    for k in keys:
        url = signer.generate_presigned_url("get_object", Params={"Bucket": "boto", "Key": k, "ResponseContentType": "text/x"})
        r = urllib.request.urlopen(url)
        assert r.read() == k.encode() and r.headers["Content-Type"] == "text/x", k
        forged = url.replace("Signature=", "Signature=x")
        try:
            urllib.request.urlopen(forged); raise SystemExit("a forged URL worked")
        except urllib.error.HTTPError as e:
            assert e.code == 403, e
    for size in (5, 200000):
        url = signer.generate_presigned_url("put_object", Params={"Bucket": "boto", "Key": "put url", "ContentType": "a/b"})
        urllib.request.urlopen(urllib.request.Request(url, data=b"z" * size, method="PUT", headers={"Content-Type": "a/b"}))
        assert s3.get_object(Bucket="boto", Key="put url")["Body"].read() == b"z" * size
    form = signer.generate_presigned_post("boto", "up/${filename}", Conditions=[["content-length-range", 1, 100]])
    boundary = "xxBOUNDARYxx"
    def send(fields, text):
        body = "".join('--%s\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (boundary, k, v) for k, v in fields.items())
        body += '--%s\r\nContent-Disposition: form-data; name="file"; filename="cat.txt"\r\n\r\n%s\r\n--%s--\r\n' % (boundary, text, boundary)
        return urllib.request.urlopen(urllib.request.Request(form["url"], data=body.encode(), headers={"Content-Type": "multipart/form-data; boundary=" + boundary}))
    assert send(form["fields"], "meow").status == 204
    assert s3.get_object(Bucket="boto", Key="up/cat.txt")["Body"].read() == b"meow"
    for fields, text in ((dict(form["fields"], key="elsewhere"), "meow"), (form["fields"], "m" * 101), ({k: "x" if k.lower().endswith("signature") else v for k, v in form["fields"].items()}, "meow")):
        try:
            send(fields, text); raise SystemExit("a form that breaks its policy worked")
        except urllib.error.HTTPError as e:
            assert e.code in (400, 403), e
r = s3.delete_objects(Bucket="boto", Delete={"Objects": [{"Key": k} for k in keys + ["big", "../big copy", "up/cat.txt", "put url"]]})
assert len(r["Deleted"]) == len(keys) + 4, r
s3.delete_bucket(Bucket="boto")
print("fine")
`
