package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/tintype/tintype/internal/testimages"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"tintype": main})
}

// TestScripts are sessions at a terminal; testdata/script has them.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", RequireExplicitExec: true, RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			// Nothing that would lead to another AWS, or to somebody's recipes.
			for _, e := range os.Environ() {
				if name, _, _ := strings.Cut(e, "="); strings.HasPrefix(name, "AWS_") || strings.HasPrefix(name, "TINTYPE_") {
					env.Setenv(name, "")
				}
			}
			env.Setenv("AWS_EC2_METADATA_DISABLED", "true")
			for name, b := range map[string][]byte{"photo.jpg": testimages.Photo(), "cut.jpg": testimages.Truncated(), "logo.png": testimages.PNG(30, 20)} {
				if err := os.WriteFile(filepath.Join(env.WorkDir, name), b, 0o600); err != nil {
					return err
				}
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exit": exitsWith},
	})
}

// exitsWith runs a command that must end with a code: exit 2 tintype up --web-addr x.
func exitsWith(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	code := "0"
	if err != nil {
		code = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if code != args[0] {
		ts.Fatalf("%s: it ends with %s, want %s", strings.Join(args[1:], " "), code, args[0])
	}
}
