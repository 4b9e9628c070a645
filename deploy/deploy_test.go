// Package deploy_test checks what deploys Tintype with the tools that would read it, where
// they are installed: cfn-lint, moto's CloudFormation, systemd-analyze, a shell. deploy/test, a
// module of its own, does so for Dockerfile and compose file.
package deploy_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tintype/tintype/internal/freeport"
)

func templates(t *testing.T) []string {
	t.Helper()
	all, err := filepath.Glob("cloudformation/compute-*.yaml")
	if err != nil || len(all) != 3 {
		t.Fatalf("templates %v, %v", all, err)
	}
	return all
}

func TestTemplatesAreClean(t *testing.T) {
	lint, err := exec.LookPath("cfn-lint")
	if err != nil {
		t.Skip("cfn-lint is not installed: pip install cfn-lint")
	}
	if out, err := exec.Command(lint, templates(t)...).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestTemplatesLetTiersFinish: what waits for a tier to stop waits longer than the tier's own drain.
func TestTemplatesLetTiersFinish(t *testing.T) {
	b, err := os.ReadFile("cloudformation/compute-ecs.yaml")
	if err != nil {
		t.Fatal(err)
	}
	stops := regexp.MustCompile(`StopTimeout: (\d+)`).FindAllStringSubmatch(string(b), -1)
	for _, s := range stops {
		if n, _ := strconv.Atoi(s[1]); n < 25+10 || n > 120 {
			t.Errorf("%s: want from 35 to Fargate's 120", s[0])
		}
	}
	if len(stops) != 2 || strings.Count(string(b), "ReadonlyRootFilesystem: true") != 2 || strings.Count(string(b), `User: "65532"`) != 2 {
		t.Error("the two containers of ECS do not both have a stop timeout, a root that is read-only, and a user")
	}
	b, err = os.ReadFile("cloudformation/compute-lambda.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(b), "FunctionResponseTypes: [ReportBatchItemFailures]") {
		t.Error("without ReportBatchItemFailures Lambda deletes what failed")
	}
}

// TestUnits: systemd understands the units, and finds them hardened.
func TestUnits(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not installed")
	}
	dir := t.TempDir()
	for _, name := range []string{"tintype-web.service", "tintype-app.service", "tintype-leave.service"} {
		b, err := os.ReadFile("systemd/" + name)
		if err != nil {
			t.Fatal(err)
		}
		// The programs are not installed where this runs.
		unit := filepath.Join(dir, name)
		text := regexp.MustCompile(`ExecStart=\S+`).ReplaceAllString(string(b), "ExecStart=/bin/sh")
		if err := os.WriteFile(unit, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(analyze, "verify", unit).CombinedOutput(); err != nil || len(strings.TrimSpace(string(out))) > 0 {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		if name == "tintype-leave.service" {
			continue // it stops another unit, as root
		}
		out, err := exec.Command(analyze, "security", "--offline=true", "--threshold=20", unit).CombinedOutput()
		if err != nil {
			t.Errorf("%s: more exposed than 2.0: %v\n%s", name, err, out)
		}
	}
}

// TestLeave: the instance's watcher stops the tier when EC2 says that the instance is to go,
// not before, and then completes the lifecycle hook.
func TestLeave(t *testing.T) {
	for _, tool := range []string{"sh", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(tool + " is not installed")
		}
	}
	for _, why := range []string{"scale-in", "spot"} {
		t.Run(why, func(t *testing.T) {
			var looks atomic.Int32
			imds := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.Method == http.MethodPut && r.URL.Path == "/latest/api/token":
					fmt.Fprint(w, "a-token")
				case r.Header.Get("X-aws-ec2-metadata-token") != "a-token":
					w.WriteHeader(http.StatusUnauthorized)
				case r.URL.Path == "/latest/meta-data/autoscaling/target-lifecycle-state" && why == "scale-in" && looks.Add(1) > 2:
					fmt.Fprint(w, "Terminated")
				case r.URL.Path == "/latest/meta-data/autoscaling/target-lifecycle-state":
					fmt.Fprint(w, "InService")
				case r.URL.Path == "/latest/meta-data/spot/instance-action" && why == "spot" && looks.Add(1) > 2:
					fmt.Fprint(w, `{"action":"terminate","time":"2026-01-01T00:00:00Z"}`)
				case r.URL.Path == "/latest/meta-data/instance-id":
					fmt.Fprint(w, "i-0123456789")
				default:
					w.WriteHeader(http.StatusNotFound)
				}
			}))
			defer imds.Close()
			dir := t.TempDir()
			for _, stub := range []string{"systemctl", "aws"} {
				if err := os.WriteFile(filepath.Join(dir, stub), []byte("#!/bin/sh\necho "+stub+" \"$@\" >>"+dir+"/called\n"), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.Command("sh", "systemd/tintype-leave")
			cmd.Env = []string{"PATH=" + dir + ":" + os.Getenv("PATH"), "TINTYPE_IMDS=" + imds.URL, "TINTYPE_LEAVE_EVERY=0.1", "TINTYPE_LIFECYCLE_HOOK=leave", "TINTYPE_ASG=tintype-app", "AWS_REGION=eu-west-1"}
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			called, err := os.ReadFile(filepath.Join(dir, "called"))
			want := "systemctl stop tintype-app.service\naws autoscaling complete-lifecycle-action --lifecycle-action-result CONTINUE --instance-id i-0123456789 --lifecycle-hook-name leave --auto-scaling-group-name tintype-app --region eu-west-1\n"
			if err != nil || string(called) != want {
				t.Errorf("%v: called %q\nwant %q", err, called, want)
			}
			if looks.Load() < 3 {
				t.Errorf("stopped after %d looks", looks.Load())
			}
		})
	}
}

// TestTemplatesCreate has moto make the stacks, as far as it knows the resources.
func TestTemplatesCreate(t *testing.T) {
	bin, err := exec.LookPath("moto_server")
	if err != nil {
		t.Skip("moto_server is not installed: pip install 'moto[server]'")
	}
	resources, err := os.ReadFile("cloudformation/tintype.yaml")
	if err != nil {
		t.Skip("there is no template of the resources whose exports these import")
	}
	addr, err := freeport.Addr()
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(addr)
	cmd := exec.Command(bin, "-H", "127.0.0.1", "-p", port)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for began := time.Now(); ; <-tick.C {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
			break
		}
		if time.Since(began) > time.Minute {
			t.Fatal(err)
		}
	}
	call := func(service, version string, form url.Values) string {
		t.Helper()
		form.Set("Version", version)
		req, err := http.NewRequest(http.MethodPost, "http://"+addr, strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/"+service+"/aws4_request, SignedHeaders=host, Signature=0")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("%s %s %s: %d %v\n%.2000s", service, form.Get("Action"), form.Get("StackName"), resp.StatusCode, err, b)
		}
		return string(b)
	}
	first := func(answer, element string) string {
		m := regexp.MustCompile("<" + element + ">([^<]+)</" + element + ">").FindStringSubmatch(answer)
		if m == nil {
			t.Fatalf("no %s in %.1000s", element, answer)
		}
		return m[1]
	}
	create := func(name, body string, parameters map[string]string) {
		form := url.Values{"Action": {"CreateStack"}, "StackName": {name}, "TemplateBody": {body}, "Capabilities.member.1": {"CAPABILITY_IAM"}}
		i := 0
		for k, v := range parameters {
			i++
			form.Set(fmt.Sprintf("Parameters.member.%d.ParameterKey", i), k)
			form.Set(fmt.Sprintf("Parameters.member.%d.ParameterValue", i), v)
		}
		call("cloudformation", "2010-05-15", form)
		if status := first(call("cloudformation", "2010-05-15", url.Values{"Action": {"DescribeStacks"}, "StackName": {name}}), "StackStatus"); status != "CREATE_COMPLETE" {
			t.Errorf("%s: %s", name, status)
		}
	}
	create("tintype", string(resources), nil)
	vpc := first(call("ec2", "2016-11-15", url.Values{"Action": {"DescribeVpcs"}}), "vpcId")
	subnets := regexp.MustCompile("<subnetId>([^<]+)</subnetId>").FindAllStringSubmatch(call("ec2", "2016-11-15", url.Values{"Action": {"DescribeSubnets"}}), 2)
	two := subnets[0][1] + "," + subnets[1][1]
	image := first(call("ec2", "2016-11-15", url.Values{"Action": {"DescribeImages"}}), "imageId")
	certificate := newCertificate(t, addr)
	for _, file := range templates(t) {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		given := map[string]map[string]string{
			"compute-ec2":    {"ArtefactBucket": "b", "ArtefactKey": "k", "ArtefactSha256": strings.Repeat("0", 64), "VpcId": vpc, "AppSubnets": two, "LoadBalancerSubnets": two, "ImageId": image, "CertificateArn": certificate},
			"compute-ecs":    {"ImageUri": "000000000000.dkr.ecr.us-east-1.amazonaws.com/tintype:1", "VpcId": vpc, "AppSubnets": two, "LoadBalancerSubnets": two, "CertificateArn": certificate, "PageUrl": "https://images.example.com"},
			"compute-lambda": {"ImageUri": "000000000000.dkr.ecr.us-east-1.amazonaws.com/tintype:1"},
		}[name]
		// moto knows no image of Debian's by a parameter.
		create(name, strings.ReplaceAll(string(b), "AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>", "AWS::EC2::Image::Id"), given)
	}
}

// newCertificate asks moto's ACM for one, for the load balancers.
func newCertificate(t *testing.T, addr string) string {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, "http://"+addr, strings.NewReader(`{"DomainName":"images.example.com"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	req.Header.Set("X-Amz-Target", "CertificateManager.RequestCertificate")
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/acm/aws4_request, SignedHeaders=host, Signature=0")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct{ CertificateArn string }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.CertificateArn == "" {
		t.Fatalf("ACM: %s %v", resp.Status, err)
	}
	return answer.CertificateArn
}
