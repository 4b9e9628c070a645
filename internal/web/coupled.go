package web

import (
	"errors"
	"net/http"
	"time"

	"github.com/tintype/tintype/internal/coupled"
	"github.com/tintype/tintype/internal/event"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/store"
	"github.com/tintype/tintype/internal/web/auth"
)

// uploadCoupled hands a received image to the app tier and answers when it is finished.
func (s *Server) uploadCoupled(w http.ResponseWriter, r *http.Request, form *spooled, recipeName string, params map[string]string, html bool) error {
	m, err := s.o.Processor.Process(r.Context(), coupled.Upload{Body: form.file, Size: form.size, Name: form.name, Recipe: recipeName, Params: params})
	s.metrics.uploads.add("coupled")
	if err := s.tellCoupled(r, m, err); err != nil {
		return err
	}
	s.log.Info("image processed", "image", m.ID, "key", m.Source.Key, "bytes", form.size, "recipe", m.Recipe, auth.By(r.Context()))
	if html {
		w.Header().Set("Location", "/")
		w.WriteHeader(http.StatusSeeOther)
		return nil
	}
	s.writeFinished(w, r, m)
	return nil
}

// retryCoupled has a stored image processed again and answers when it is finished.
func (s *Server) retryCoupled(w http.ResponseWriter, r *http.Request, info store.SourceInfo, recipeName string, params map[string]string) error {
	if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(coupled.CallTimeout + time.Minute)); err != nil {
		return err
	}
	m, err := s.o.Processor.Again(r.Context(), info.Key, recipeName, params)
	if err := s.tellCoupled(r, m, err); err != nil {
		return err
	}
	s.log.Info("image processed again", "image", info.ID, "recipe", m.Recipe, auth.By(r.Context()))
	s.writeFinished(w, r, m)
	return nil
}

// tellCoupled tells the listeners of a result, of one that failed too. It returns err.
func (s *Server) tellCoupled(r *http.Request, m *recipe.Manifest, err error) error {
	var failed *coupled.FailedError
	if errors.As(err, &failed) && store.ValidID(failed.ImageID) {
		if m, _, lookErr := s.o.Store.Manifest(r.Context(), failed.ImageID); lookErr == nil {
			s.completedCoupled(m)
		}
		return err
	}
	if err == nil {
		s.completedCoupled(m)
	}
	return err
}

func (s *Server) completedCoupled(m *recipe.Manifest) {
	s.completed(event.NewCompletion(m))
}

// writeFinished answers with a finished image's document.
func (s *Server) writeFinished(w http.ResponseWriter, r *http.Request, m *recipe.Manifest) {
	w.Header().Set("Location", imageURL(m.ID))
	s.writeJSON(w, r, http.StatusOK, imageOfManifest(m))
}

// codeInterrupted says of a coupled upload that nobody is at work on it any more.
const codeInterrupted = "interrupted"

// unansweredImage is the document of a coupled upload without a result: the call is under way
// or, after the longest time that it may take, was cut off. No queue remembers it.
func unansweredImage(info store.SourceInfo, job *recipe.Job) *Image {
	img := queuedImage(info, job)
	img.Status = recipe.Processing
	if time.Since(info.LastModified) > coupled.CallTimeout {
		img.Status = recipe.Failed
		img.Error = &recipe.Failure{Code: codeInterrupted, Message: "The application server ended before the image was finished.", Hint: "Try it again."}
	}
	return img
}
