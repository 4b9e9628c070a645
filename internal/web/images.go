package web

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/store"
)

// Image is the document of GET /api/images/{id}, of lists and of events.
type Image struct {
	ID      string        `json:"id"`
	Key     string        `json:"key"`  // in the uploads bucket
	Name    string        `json:"name"` // the file's name: the key's last segment; untrusted
	Status  recipe.Status `json:"status"`
	Recipe  string        `json:"recipe,omitempty"`
	Params  recipe.Params `json:"params,omitempty"`
	Source  ImageSource   `json:"source"`
	Outputs []ImageOutput `json:"outputs"`
	// Srcsets are, by content type ("image/webp"), the srcset attributes of outputs that show
	// the same picture in different widths: what a page's <source> elements need.
	Srcsets  map[string]string `json:"srcsets,omitempty"`
	Error    *recipe.Failure   `json:"error,omitempty"`
	Timings  *ImageTimings     `json:"timings,omitempty"` // absent until there is a result
	Attempts int               `json:"attempts"`          // 0 until there is a result
	// Processing is set where Status is processing.
	Processing *Processing `json:"processing,omitempty"`
}

// ImageSource is what is known of the original.
type ImageSource struct {
	Bytes    int64      `json:"bytes"`
	ETag     string     `json:"etag,omitempty"`
	Width    int        `json:"width,omitempty"`  // pixels, after orientation
	Height   int        `json:"height,omitempty"` // pixels, after orientation
	Format   string     `json:"format,omitempty"`
	Modified *time.Time `json:"modified,omitempty"` // when the original was stored
	URL      string     `json:"url"`
}

// ImageOutput is one result.
type ImageOutput struct {
	Name      string `json:"name"`
	Key       string `json:"key"` // in the results bucket
	Width     int    `json:"width"`
	Height    int    `json:"height"`
	Format    string `json:"format"`
	Bytes     int64  `json:"bytes"`
	ThumbHash string `json:"thumbHash,omitempty"`
	URL       string `json:"url"`

	DominantColor string `json:"dominantColor,omitempty"` // "#rrggbb"
	OverTarget    bool   `json:"overTarget,omitempty"`    // larger than the recipe's target, even at the lowest quality
}

// ImageTimings are an image's instants and, in milliseconds, durations.
type ImageTimings struct {
	recipe.Timings
	WaitMS  int64 `json:"waitMs"`  // upload to start
	TotalMS int64 `json:"totalMs"` // upload to finish
}

// imageOfManifest is the document of a finished image.
func imageOfManifest(m *recipe.Manifest) *Image {
	img := &Image{
		ID: m.ID, Key: m.Source.Key, Name: baseName(m.Source.Key), Status: m.Status, Recipe: m.Recipe, Params: m.Params,
		Source: ImageSource{
			Bytes: m.Source.Bytes, ETag: m.Source.ETag, Width: m.Source.Width, Height: m.Source.Height,
			Format: m.Source.Format, URL: imageURL(m.ID) + "/original",
		},
		Outputs: make([]ImageOutput, 0, len(m.Outputs)),
		Error:   m.Error,
		Timings: &ImageTimings{
			Timings: m.Timings,
			WaitMS:  max(0, m.Timings.Started.Sub(m.Timings.Uploaded).Milliseconds()),
			TotalMS: max(0, m.Timings.Finished.Sub(m.Timings.Uploaded).Milliseconds()),
		},
		Attempts: m.Attempts,
	}
	for _, o := range m.Outputs {
		img.Outputs = append(img.Outputs, ImageOutput{
			Name: o.Name, Key: o.Key, Width: o.Width, Height: o.Height, Format: o.Format, Bytes: o.Bytes, ThumbHash: o.ThumbHash,
			URL: imageURL(m.ID) + "/outputs/" + url.PathEscape(o.Name), DominantColor: o.DominantColor, OverTarget: o.OverTarget,
		})
	}
	img.Srcsets = srcsets(img.ID, m.Outputs)
	return img
}

// queuedImage is the document of an image that has no result for its present source yet.
func queuedImage(info store.SourceInfo, job *recipe.Job) *Image {
	img := &Image{
		ID: info.ID, Key: info.Key, Name: baseName(info.Key), Status: recipe.Queued,
		Recipe: job.Recipe, Params: job.Params,
		Source:  ImageSource{Bytes: info.Size, ETag: info.ETag, URL: imageURL(info.ID) + "/original"},
		Outputs: []ImageOutput{},
	}
	if !info.LastModified.IsZero() {
		img.Source.Modified = &info.LastModified
	}
	return img
}

func imageURL(id string) string { return "/api/images/" + url.PathEscape(id) }

func baseName(key string) string {
	return key[strings.LastIndexByte(strings.TrimRight(key, "/"), '/')+1:]
}

// lookUp tells where an image stands from its original and its manifest.
//
// A manifest counts only if it is about this original and this recipe; otherwise the
// original was overwritten or sent again, and the image waits. Recipe and params stand in
// the original's metadata, which a listing does not show: it is asked for only where
// there is no manifest, or where the original is newer than the event that led to it.
func (s *Server) lookUp(ctx context.Context, info store.SourceInfo) (*Image, error) {
	m, _, err := s.o.Store.Manifest(ctx, info.ID)
	switch {
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrUnreadable):
		m = nil
	case err != nil:
		return nil, err
	}
	current := m != nil && m.Source.ETag == info.ETag && m.Source.Key == info.Key
	// S3 tells modification times in seconds.
	if current && !info.LastModified.Truncate(time.Second).After(m.Timings.Uploaded) {
		return s.finishedImage(m, info), nil
	}
	src, err := s.o.Store.Stat(ctx, info.Key)
	if err != nil {
		return nil, err
	}
	// The coupled tier's results follow from calls, which may ask for another recipe than the upload.
	if current && (s.o.Processor != nil || s.sameJob(m, src)) {
		return s.finishedImage(m, info), nil
	}
	job, _, err := s.choose(info.Key, src.Recipe, src.Params)
	if err != nil {
		job = &recipe.Job{Recipe: src.Recipe} // the worker will say what is wrong with it
	}
	if s.o.Processor != nil {
		return unansweredImage(info, job), nil
	}
	return queuedImage(info, job), nil
}

func (s *Server) finishedImage(m *recipe.Manifest, info store.SourceInfo) *Image {
	img := imageOfManifest(m)
	img.Source.Modified = &info.LastModified
	return img
}

// sameJob reports whether a manifest is about the recipe and params that an original asks for.
func (s *Server) sameJob(m *recipe.Manifest, src *store.Source) bool {
	hash := ""
	if src.MetaErr == nil {
		if job, _, err := s.choose(m.Source.Key, src.Recipe, src.Params); err == nil {
			hash = job.Hash
		}
	}
	if m.RecipeHash != "" || m.Error == nil {
		return m.RecipeHash == hash
	}
	// A failure that came before the recipe was looked at would come again with any recipe.
	badJob := m.Error.Code == fault.CodeUnknownRecipe || m.Error.Code == fault.CodeBadParameter
	return !badJob || hash == ""
}

// lookUps is how many images of a page are looked up at once.
const lookUps = 16

// ignored reports whether a rule says that the object at key is no image.
func (s *Server) ignored(key string) bool {
	name, own := store.RuleKey(key)
	return !own && s.o.Recipes.Ignores(name)
}

// keyOf finds the original of an image; one that a rule says is none is not found.
func (s *Server) keyOf(ctx context.Context, id string) (store.SourceInfo, error) {
	info, err := s.o.Store.KeyOf(ctx, id)
	if err == nil && s.ignored(info.Key) {
		return store.SourceInfo{}, refuse(fault.CodeNotFound, "", "There is no such image.")
	}
	return info, err
}

// lookUpAll looks up a page's images side by side. One that was deleted since it was listed,
// and one that is no image, is nil.
func (s *Server) lookUpAll(ctx context.Context, infos []store.SourceInfo) ([]*Image, error) {
	images := make([]*Image, len(infos))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(lookUps)
	for i, info := range infos {
		if s.ignored(info.Key) {
			continue
		}
		g.Go(func() error {
			img, err := s.lookUp(ctx, info)
			if errors.Is(err, store.ErrNotFound) {
				return nil
			}
			images[i] = img
			return err
		})
	}
	return images, g.Wait()
}
