package template_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/tintype/tintype/internal/provision/declare"
	"github.com/tintype/tintype/internal/provision/template"
)

const file = "../../../deploy/cloudformation/tintype.yaml"

// names are the defaults of the configuration.
func names() declare.Spec {
	return declare.Spec{
		UploadsBucket: "tintype-uploads", ResultsBucket: "tintype-results", Queue: "ImageApp", DeadLetterQueue: "ImageApp-dlq",
		UploadTopic: "uploadnotification", CompletionTopic: "processingnotification",
	}
}

// TestCloudFormationFile: what is in the repository is what the declaration says.
func TestCloudFormationFile(t *testing.T) {
	want := template.CloudFormation(names())
	if os.Getenv("TINTYPE_UPDATE") != "" {
		if err := os.WriteFile(file, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, want) {
		t.Errorf("%s is not what is declared: run `tintype provision --template cloudformation > deploy/cloudformation/tintype.yaml`", filepath.Base(file))
	}
}

func TestLint(t *testing.T) {
	lint, err := exec.LookPath("cfn-lint")
	if err != nil {
		t.Skip("cfn-lint is not installed")
	}
	if out, err := exec.CommandContext(t.Context(), lint, "--regions", "us-east-1", "eu-central-1", "--", file).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	// That it would have said so.
	wrong := filepath.Join(t.TempDir(), "wrong.yaml")
	if err := os.WriteFile(wrong, bytes.Replace(template.CloudFormation(names()), []byte("!GetAtt Queue.Arn"), []byte("!GetAtt Nothing.Arn"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	if exec.CommandContext(t.Context(), lint, wrong).Run() == nil {
		t.Error("a template that refers to nothing passes")
	}
}

// TestPolicies: AWS takes at most 6,144 characters as a managed policy, spaces not counted.
func TestPolicies(t *testing.T) {
	s := names()
	s.Region, s.Account, s.KMSKey = "eu-central-1", "123456789012", "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	b, err := template.IAM(s)
	if err != nil {
		t.Fatal(err)
	}
	var roles map[string]json.RawMessage
	if err := json.Unmarshal(b, &roles); err != nil || len(roles) != 3 {
		t.Fatalf("%d roles, %v", len(roles), err)
	}
	for name, p := range roles {
		var flat bytes.Buffer
		if err := json.Compact(&flat, p); err != nil {
			t.Fatal(err)
		}
		if flat.Len() > 6144 {
			t.Errorf("%s: %d characters", name, flat.Len())
		}
		if bytes.Contains(p, []byte("${")) {
			t.Errorf("%s: %s", name, p)
		}
	}
	if b, err = template.KMS(s); err != nil || !bytes.Contains(b, []byte("arn:aws:s3:::tintype-uploads")) || !bytes.Contains(b, []byte("uploadnotification")) {
		t.Errorf("%s, %v", b, err)
	}
}
