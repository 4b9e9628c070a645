package e2e

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// TestDeployDocument follows docs/deploy.md, from the resources to taking them down: all of it
// but the blocks that need AWS itself.
func TestDeployDocument(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"aws", "curl", "bash"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed; docs/deploy.md needs it", tool)
		}
	}
	dir := follow(t, newSystem(t), "docs/deploy.md", []string{"endpoint.log", "provision.log", "doctor.log", "upload.log", "audit.log", "web.log", "app.log"})
	if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) != 4 {
		t.Errorf("after taking it down there are %v, %v", left, err)
	}
}
