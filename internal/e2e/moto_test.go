package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/tintype/tintype/internal/awstest"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/store"
	"github.com/tintype/tintype/internal/testimages"
)

// TestOtherEndpoint runs the tiers against an endpoint that is not ours, so that they
// do not grow to fit it alone.
func TestOtherEndpoint(t *testing.T) {
	t.Parallel()
	awstest.Each(t, func(t *testing.T, endpoint string) {
		s := newSystem(t)
		s.at(endpoint)
		s.provision()
		s.startApp()
		s.startWeb()
		events := listen(t, s.web())
		photo := testimages.Photo()
		ids := map[string]string{}

		code, id, url, fields := presigned(t, s.web(), map[string]any{"filename": "rocket.jpg", "size": len(photo), "contentType": "image/jpeg"})
		if code != http.StatusCreated {
			t.Fatalf("POST /api/uploads: %d", code)
		}
		if code, answer := post(t, url, fields, "rocket.jpg", photo); code/100 != 2 {
			t.Fatalf("the form is answered %d %v", code, answer)
		}
		ids["presigned POST"] = id
		_, answer := post(t, s.web()+"/api/images", nil, "rocket.jpg", photo)
		ids["POST /api/images"] = fmt.Sprint(answer["id"])
		if err := s.put("from/outside 1+1.jpg", photo, nil); err != nil {
			t.Fatal(err)
		}
		ids["put"] = store.IDForKey("from/outside 1+1.jpg")
		for name, id := range ids {
			if m := s.finished(id); m.Status != recipe.Done || len(m.Outputs) != 3 {
				t.Errorf("%s: %s %+v", name, m.Status, m.Error)
			}
			eventually(t, name+": the browser hears of it", func() error { return events.heard(id, "done") })
		}
		s.drained("ImageApp")

		// The commands too know nothing of which endpoint is there.
		out, errs, exit := tintype(t, s.env, "upload", writeFile(t, "cli.jpg", photo), "--tint", "#22aa88", "--wait", "--json")
		docs := decodeLines(t, out)
		if exit != 0 || len(docs) != 1 || docs[0].Status != "done" {
			t.Fatalf("upload: exit %d\n%s%s", exit, out, errs)
		}
		out, errs, exit = tintype(t, s.env, "status", docs[0].ID, ids["put"])
		if exit != 0 || strings.Count(out, " done ") != 2 || !strings.Contains(out, "from/outside 1+1.jpg") {
			t.Errorf("status: exit %d\n%s%s", exit, out, errs)
		}
	})
}
