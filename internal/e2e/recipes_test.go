package e2e

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/store"
)

// TestRecipesOfAFile: both tiers go by one file, for uploads through the web tier and for
// what another program puts.
func TestRecipesOfAFile(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	file := writeFile(t, "recipes.yml", []byte(`
recipes:
  icon:
    params: {much: {type: number, default: 1}}
    steps: [sepia: {strength: $much}]
    outputs: {icon: {width: 48, height: 48, format: png}}
rules:
  - {match: assets/**, ignore: true}
  - {match: "icons/**", recipe: icon, params: {much: 0.25}}
  - {match: "*.icon.jpg", recipe: icon}
`))
	s.startUp("--recipes", file)
	photo := plainPhoto(t)
	for _, key := range []string{"assets/logo.jpg", "icons/a/b.jpg"} {
		if err := s.put(key, photo, nil); err != nil {
			t.Fatal(err)
		}
	}
	m := s.finished(store.IDForKey("icons/a/b.jpg"))
	if m.Status != recipe.Done || m.Recipe != "icon" || m.Params["much"] != 0.25 || len(m.Outputs) != 1 || m.Outputs[0].Width != 48 || m.Outputs[0].Format != "png" {
		t.Errorf("%+v", m)
	}
	// The form names no recipe: the rules see the file's name.
	status, answer := post(t, s.web()+"/api/images", nil, "x.icon.jpg", photo)
	if status != http.StatusAccepted {
		t.Fatalf("%d %v", status, answer)
	}
	if m := s.finished(answer["id"].(string)); m.Recipe != "icon" || m.Params["much"] != 1.0 {
		t.Errorf("%+v", m)
	}
	// So does the command, which need not know the file.
	out, errs, code := tintype(t, s.env, "upload", writeFile(t, "y.icon.jpg", photo), "--wait", "--json")
	if docs := decodeLines(t, out); code != 0 || len(docs) != 1 || len(docs[0].Outputs) != 1 {
		t.Errorf("upload: exit %d\n%s%s", code, out, errs)
	}
	s.drained("ImageApp")
	if _, err := s.manifest(store.IDForKey("assets/logo.jpg")); !isNotFound(err) {
		t.Errorf("an object that a rule ignores has a result: %v", err)
	}
	var list struct{ Images []document }
	if err := getJSON(s.web()+"/api/images", &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Images) != 3 || slices.ContainsFunc(list.Images, func(d document) bool { return strings.HasPrefix(d.Key, "assets/") }) {
		t.Errorf("listed: %+v", list.Images)
	}
	out, _, code = tintype(t, s.env, "list", "--recipes", file)
	if code != 0 || strings.Contains(out, "assets/") || !strings.Contains(out, "icons/a/b.jpg") {
		t.Errorf("list (exit %d):\n%s", code, out)
	}
}
