package web

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/store"
	"github.com/tintype/tintype/internal/testimages"
	"github.com/tintype/tintype/internal/web/webtest"
)

const recipeFile = `
recipes:
  badge:
    description: Everything that a form can ask.
    params:
      side: {type: integer, default: 64, min: 16, max: 512, description: Of the square.}
      bigger: {type: boolean, default: false}
      how: {type: choice, default: cover, values: [cover, pad]}
      words: {type: text, default: "© <me>", max-length: 20}
      ink: {type: color, default: "#123456"}
      soft: {type: number, default: 0.5}
    steps:
      - resize: {width: $side, height: $side, fit: $how, enlarge: $bigger}
      - watermark: {text: $words, color: $ink}
      - blur: {sigma: $soft}
    outputs: {full: {format: png}}
rules:
  - {match: assets/**, ignore: true}
  - {match: badges/*, recipe: badge, params: {side: 32}}
  - {match: "badge-*.png", recipe: badge, params: {side: 128}}
`

func withRecipes(t *testing.T) *system {
	t.Helper()
	book, err := recipe.Parse("recipes.yml", []byte(recipeFile))
	if err != nil {
		t.Fatal(err)
	}
	s := newSystem(t, func(o *Options) { o.Recipes = book })
	s.book = book
	return s
}

func TestConfigTellsOfParameters(t *testing.T) {
	s := withRecipes(t)
	a := s.json("GET", "/api/config", "", http.StatusOK)
	for _, want := range []string{
		`{"name":"side","type":"integer","default":64,"description":"Of the square.","min":16,"max":512}`,
		`{"name":"bigger","type":"boolean","default":false}`,
		`{"name":"how","type":"choice","default":"cover","values":["cover","pad"]}`,
		`"maxLength":20}`, `{"name":"soft","type":"number","default":0.5,"min":0.3,"max":100}`,
		`"min":0,"max":1}`, // of tint's strength: 0 is told too
	} {
		if !bytes.Contains(a.body, []byte(want)) {
			t.Errorf("no %s in\n%s", want, a.body)
		}
	}
}

// TestRulesAtTheDoor: what names no recipe gets that of the rules, and is shown with it.
func TestRulesAtTheDoor(t *testing.T) {
	s := withRecipes(t)
	id := s.uploaded("badge-1.png", testimages.PNG(64, 48), field{name: "words", body: []byte("hi")})
	if img := s.image(id); img.Recipe != "badge" || img.Params["side"] != 128.0 || img.Params["words"] != "hi" || img.Params["bigger"] != false {
		t.Errorf("uploaded through: %s %v", img.Recipe, img.Params)
	}
	a := s.json("POST", "/api/uploads", `{"filename":"badge-2.png","size":10,"params":{"bigger":true}}`, http.StatusCreated)
	var out struct{ Fields map[string]string }
	a.json(t, &out)
	if out.Fields["x-amz-meta-tintype-recipe"] != "badge" || !strings.Contains(out.Fields["x-amz-meta-tintype-params"], `"side":"128"`) {
		t.Errorf("handed out: %v", out.Fields)
	}
	s.refused(s.request("POST", "/api/uploads", strings.NewReader(`{"filename":"badge-2.png","size":10,"params":{"side":1.5}}`), "Content-Type", "application/json"), 422, fault.CodeBadParameter)

	// Objects of other programs: by their whole keys.
	put := func(key string) string {
		t.Helper()
		body := testimages.PNG(20, 20)
		if _, err := s.store.PutSource(t.Context(), store.PutSource{Key: key, Body: bytes.NewReader(body), Size: int64(len(body)), ContentType: "image/png"}); err != nil {
			t.Fatal(err)
		}
		return store.IDForKey(key)
	}
	if img := s.image(put("badges/a.png")); img.Recipe != "badge" || img.Params["side"] != 32.0 {
		t.Errorf("put by another program: %s %v", img.Recipe, img.Params)
	}

	// What a rule ignores is no image for anybody.
	asset := put("assets/logo.png")
	var list imageList
	s.json("GET", "/api/images", "", http.StatusOK).json(t, &list)
	if len(list.Images) != 2 {
		t.Errorf("%d images are listed", len(list.Images))
	}
	for method, path := range map[string]string{"GET": "", "DELETE": "", "POST": "/retry"} {
		s.refused(s.request(method, "/api/images/"+asset+path, nil, "Content-Type", "application/json"), 404, fault.CodeNotFound)
	}
	s.refused(s.request("GET", "/api/images/"+asset+"/original", nil), 404, fault.CodeNotFound)
	if _, err := s.store.Stat(t.Context(), "assets/logo.png"); err != nil {
		t.Errorf("the asset is gone: %v", err)
	}
	// An upload of that name at the door is meant as an image all the same.
	if img := s.image(s.uploaded("logo.png", testimages.PNG(10, 10))); img.Recipe != recipe.Default {
		t.Errorf("uploaded: %s", img.Recipe)
	}
}

// TestFormOfEveryType: the page has a labelled control for each parameter, which browsers
// leave at its default, and what is chosen arrives as it was meant.
func TestFormOfEveryType(t *testing.T) {
	s := withRecipes(t)
	s.run(s.web)
	s.appTier()
	s.allow(s.url)
	b := webtest.Open(t, s.url)
	b.Exec(`document.querySelector('#upload input[name=recipe][value=badge]').click()`)
	const set = `document.querySelector('fieldset[data-recipe=badge]')`
	if n := webtest.Eval[float64](b, set+`.querySelectorAll('[data-param] :is(input, select)').length`); n != 6 {
		t.Errorf("%v controls", n)
	}
	if n := webtest.Eval[float64](b, `[...`+set+`.querySelectorAll('[data-param] :is(input, select)')].filter((c) => c.labels.length === 1).length`); n != 6 {
		t.Errorf("%v controls have a label", n)
	}
	if v := webtest.Eval[string](b, `[...`+set+`.querySelectorAll('[data-param] :is(input, select)')].map((c) => c.value).join('|')`); v != "64|false|cover|© <me>|#123456|0.5" {
		t.Errorf("the controls stand at %s", v)
	}
	path := files(t, map[string][]byte{"a.png": testimages.PNG(100, 80)})["a.png"]
	b.Choose(path)
	b.Exec(`const set = (name, value) => { const c = document.querySelector('#param-badge-' + name); c.value = value; c.dispatchEvent(new Event('input', { bubbles: true })); };
		set('side', '200'); set('bigger', 'true'); set('how', 'pad'); set('words', 'ünï "x"'); set('soft', '1.25')`)
	b.CheckWidths("form")
	b.Press("#go")
	b.Until("it is done", `document.querySelector('#images .card')?.dataset.status === 'done'`)
	img := s.image(webtest.Eval[string](b, `document.querySelector('#images .card').dataset.id`))
	want := recipe.Params{"side": 200.0, "bigger": true, "how": "pad", "words": `ünï "x"`, "ink": "#123456", "soft": 1.25}
	for k, v := range want {
		if img.Params[k] != v {
			t.Errorf("%s is %v, want %v", k, img.Params[k], v)
		}
	}
	b.CheckQuiet()
}
