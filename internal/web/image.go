package web

import (
	"net/http"
	"slices"
	"strings"

	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/store"
	"github.com/tintype/tintype/internal/web/auth"
)

// ofImage adapts a handler of one image's route: it gets the id in the path, if that is
// one, and the error that it returns is answered as a problem document.
func (s *Server) ofImage(h func(w http.ResponseWriter, r *http.Request, id string) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id := r.PathValue("id")
		err := refuse(fault.CodeNotFound, "", "There is no such image.")
		if store.ValidID(id) {
			err = h(w, r, id)
		}
		if err != nil {
			s.fail(w, r, err)
		}
	}
}

func (s *Server) handleImage(w http.ResponseWriter, r *http.Request, id string) error {
	img, err := s.imageByID(r, id)
	if err != nil {
		return err
	}
	s.mark(r.Context(), img)
	s.writeJSON(w, r, http.StatusOK, img)
	return nil
}

// handleManifest answers the record itself, for those who want to know all of it.
func (s *Server) handleManifest(w http.ResponseWriter, r *http.Request, id string) error {
	m, _, err := s.o.Store.Manifest(r.Context(), id)
	if err != nil {
		return err
	}
	s.writeJSON(w, r, http.StatusOK, m)
	return nil
}

func (s *Server) handleOriginal(w http.ResponseWriter, r *http.Request, id string) error {
	info, err := s.keyOf(r.Context(), id)
	if err != nil {
		return err
	}
	return s.redirect(w, r, store.Uploads, info.Key, baseName(info.Key))
}

func (s *Server) handleOutput(w http.ResponseWriter, r *http.Request, id string) error {
	m, _, err := s.o.Store.Manifest(r.Context(), id)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(m.Outputs, func(o recipe.Result) bool { return o.Name == r.PathValue("name") })
	if i < 0 {
		return refuse(fault.CodeNotFound, "", "This image has no output of that name.")
	}
	key := m.Outputs[i].Key
	name := strings.TrimSuffix(baseName(m.Source.Key), extension(baseName(m.Source.Key))) + "-" + baseName(key)
	return s.redirect(w, r, store.Results, key, name)
}

// extension is a file name's, dot included, or "".
func extension(name string) string {
	if i := strings.LastIndexByte(name, '.'); i > 0 {
		return name[i:]
	}
	return ""
}

// redirect sends the browser to S3 for an object; with ?download it saves it as name.
func (s *Server) redirect(w http.ResponseWriter, r *http.Request, bucket store.Which, key, name string) error {
	if !r.URL.Query().Has("download") {
		name = ""
	}
	to, err := s.o.Store.PresignGet(r.Context(), bucket, key, name)
	if err != nil {
		return err
	}
	// The page asks with ?v=…, which changes with the content: then the address, which is
	// valid for longer than this, may be kept, and with it the picture in the browser's cache.
	if r.URL.Query().Has("v") {
		w.Header().Set("Cache-Control", "private, max-age=60")
	} else {
		w.Header().Set("Cache-Control", "no-store")
	}
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusFound)
	return nil
}

func (s *Server) handleDelete(w http.ResponseWriter, r *http.Request, id string) error {
	// An image whose original is gone already may have results to delete.
	if info, err := s.o.Store.KeyOf(r.Context(), id); err == nil && s.ignored(info.Key) {
		return refuse(fault.CodeNotFound, "", "There is no such image.")
	}
	if err := s.o.Store.Delete(r.Context(), id); err != nil {
		return err
	}
	s.log.Info("image deleted", "image", id, auth.By(r.Context()))
	s.hub.publishDeleted(id)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// handleRetry sends an image through the pipeline again, with the recipe it had or
// with another one.
func (s *Server) handleRetry(w http.ResponseWriter, r *http.Request, id string) error {
	var in struct {
		Recipe string            `json:"recipe"`
		Params map[string]scalar `json:"params"`
	}
	if err := decodeJSON(w, r, &in, true); err != nil {
		return err
	}
	info, err := s.keyOf(r.Context(), id)
	if err != nil {
		return err
	}
	src, err := s.o.Store.Stat(r.Context(), info.Key)
	if err != nil {
		return err
	}
	name, params := in.Recipe, rawParams(in.Params)
	if name == "" && params == nil {
		name, params = src.Recipe, src.Params
	} else if name == "" {
		name = src.Recipe
	}
	if src.MetaErr != nil && params == nil {
		return src.MetaErr
	}
	job, params, err := s.choose(info.Key, name, params)
	if err != nil {
		return err
	}
	if params == nil {
		params = map[string]string{} // the store would keep the old ones
	}
	if s.o.Processor != nil {
		return s.retryCoupled(w, r, info, job.Recipe, params)
	}
	since := s.hub.position()
	if s.notifier != nil {
		s.notifier.forget(id)
	}
	if err := s.o.Store.Touch(r.Context(), id, job.Recipe, params); err != nil {
		return err
	}
	s.log.Info("image sent through again", "image", id, "recipe", job.Recipe, auth.By(r.Context()))
	img := queuedImage(info, job)
	s.announce(img, since)
	s.writeAccepted(w, r, img)
	return nil
}

// announce tells the listeners that an image waits for a worker, or is in work.
func (s *Server) announce(img *Image, since uint64) {
	if err := s.hub.publishQueued(img, since); err != nil {
		s.log.Error("event cannot be sent", "image", img.ID, "err", err)
	}
}

// writeAccepted answers that an image waits for a worker.
func (s *Server) writeAccepted(w http.ResponseWriter, r *http.Request, img *Image) {
	w.Header().Set("Location", imageURL(img.ID))
	s.writeJSON(w, r, http.StatusAccepted, struct {
		ID     string        `json:"id"`
		Status recipe.Status `json:"status"`
	}{img.ID, img.Status})
}
