// Package test reads Dockerfile and compose file with the parsers of the tools that use them. It
// is a module of its own, so that these do not become dependencies of the program.
package test

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

func TestDockerfile(t *testing.T) {
	f, err := os.Open("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	ast, err := parser.Parse(f)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range ast.Warnings {
		t.Errorf("warning: %+v", w)
	}
	stages, _, err := instructions.Parse(ast.AST, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(stages) != 2 || !strings.Contains(stages[0].BaseName, "${DEBIAN}") || !strings.Contains(stages[1].BaseName, "${DEBIAN}") {
		t.Fatalf("%d stages, which must be of one release of Debian", len(stages))
	}
	user, health, volume := "", false, false
	for _, c := range stages[1].Commands {
		switch c := c.(type) {
		case *instructions.UserCommand:
			user = c.User
		case *instructions.HealthCheckCommand:
			health = c.Health.Test[0] == "CMD" && c.Health.Timeout > 5*time.Second // the program's own limit
		case *instructions.VolumeCommand:
			volume = len(c.Volumes) == 1 && c.Volumes[0] == "/tmp"
		case *instructions.EntrypointCommand:
			if c.PrependShell {
				t.Error("a shell would get the signals that are for the program")
			}
		}
	}
	if user != "65532:65532" || !health || !volume {
		t.Errorf("user %q, health check %v, /tmp a volume %v", user, health, volume)
	}
}

func TestCompose(t *testing.T) {
	o, err := cli.NewProjectOptions([]string{"../../compose.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	p, err := o.LoadProject(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Services) != 4 {
		t.Errorf("%d services", len(p.Services))
	}
	for name, s := range p.Services {
		if !s.ReadOnly || len(s.CapDrop) != 1 || s.StopGracePeriod == nil || time.Duration(*s.StopGracePeriod) < 35*time.Second {
			t.Errorf("%s: read-only %v, capabilities dropped %v, stopped after %v", name, s.ReadOnly, s.CapDrop, s.StopGracePeriod)
		}
		for _, port := range s.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s: port %s is open to other machines, and the credentials are known", name, port.Published)
			}
		}
	}
	if app := p.Services["app"]; app.Deploy == nil || app.Deploy.Replicas == nil || *app.Deploy.Replicas != 2 {
		t.Error("app is not there twice")
	}
}
