package web

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/store"
)

// imageView is what the page of one image shows without scripts, and what scripts begin with.
type imageView struct {
	*Image

	Label, Job string
	Why        string
	Original   string // its address, which changes with the content
	Picture    string // address of the largest output that browsers show
	Width      int    // of Picture, pixels
	Height     int
	Links      []cardLink
	Settings   settings
}

type cardLink struct{ URL, Name, Title string }

// sizeText is a number of bytes for people, as static/lib/format.js writes it.
func sizeText(n int64) string {
	switch {
	case n >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	case n >= 1e3:
		return fmt.Sprintf("%d kB", (n+500)/1000)
	}
	return fmt.Sprintf("%d B", n)
}

// handleImagePage answers the page of one image.
func (s *Server) handleImagePage(w http.ResponseWriter, r *http.Request) {
	img, err := s.imageByID(r, r.PathValue("id"))
	if err != nil {
		s.failPage(w, r, err)
		return
	}
	s.mark(r.Context(), img)
	v := imageView{Image: img, Label: newCard(img).Label, Job: jobText(img), Original: img.Source.URL + "?v=" + img.Source.ETag, Settings: s.settings()}
	if img.Error != nil {
		v.Why = img.Error.Message + " " + img.Error.Hint
	}
	best := -1
	for i := range img.Outputs {
		o := &img.Outputs[i]
		v.Links = append(v.Links, cardLink{fresh(o), o.Name, fmt.Sprintf("%d×%d %s, %s", o.Width, o.Height, o.Format, sizeText(o.Bytes))})
		if slices.Contains(shownFormats, o.Format) && (best < 0 || o.Width > img.Outputs[best].Width) {
			best = i
		}
	}
	if best >= 0 && img.Status == recipe.Done {
		o := &img.Outputs[best]
		v.Picture, v.Width, v.Height = fresh(o), o.Width, o.Height
	}
	waiting := img.Status == recipe.Queued || img.Status == recipe.Processing
	s.writeView(w, r, http.StatusOK, view{Page: "image", Title: img.Name, Waiting: waiting, Data: v})
}

func (s *Server) imageByID(r *http.Request, id string) (*Image, error) {
	if !store.ValidID(id) {
		return nil, refuse(fault.CodeNotFound, "", "There is no such image.")
	}
	info, err := s.keyOf(r.Context(), id)
	if err != nil {
		return nil, err
	}
	return s.lookUp(r.Context(), info)
}
