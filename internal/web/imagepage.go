package web

import (
	"net/http"

	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/store"
)

// handleImagePage answers the page of one image.
func (s *Server) handleImagePage(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	if !store.ValidID(id) {
		s.failPage(w, r, refuse(fault.CodeNotFound, "", "There is no such image."))
		return
	}
	info, err := s.keyOf(r.Context(), id)
	if err != nil {
		s.failPage(w, r, err)
		return
	}
	img, err := s.lookUp(r.Context(), info)
	if err != nil {
		s.failPage(w, r, err)
		return
	}
	s.writeView(w, r, http.StatusOK, view{Page: "image", Title: img.Name, Data: img})
}
