package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tintype/tintype/internal/config"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/store"
)

// imageDoc is one image as the commands print it with --json.
type imageDoc struct {
	File     string          `json:"file,omitempty"`
	ID       string          `json:"id"`
	Key      string          `json:"key"`
	Status   recipe.Status   `json:"status"`
	Recipe   string          `json:"recipe,omitempty"`
	Params   recipe.Params   `json:"params,omitempty"`
	Bytes    int64           `json:"bytes"`
	Uploaded time.Time       `json:"uploaded"`
	Outputs  []outputDoc     `json:"outputs,omitempty"`
	Error    *recipe.Failure `json:"error,omitempty"`
	Attempts int             `json:"attempts,omitempty"`
	App      string          `json:"app,omitempty"` // the app process that has it in work

	timings *recipe.Timings // nil where there is no result
}

// outputDoc is one output: where it is for S3 clients, and for a while for browsers.
type outputDoc struct {
	Name     string `json:"name"`
	Width    int    `json:"width"`
	Height   int    `json:"height"`
	Format   string `json:"format"`
	Bytes    int64  `json:"bytes"`
	Location string `json:"location"` // s3://bucket/key
	URL      string `json:"url"`      // presigned
}

// describe makes the document of a processed image.
func describe(ctx context.Context, d *deployment, m *recipe.Manifest) (*imageDoc, error) {
	doc := &imageDoc{
		ID: m.ID, Key: m.Source.Key, Status: m.Status, Recipe: m.Recipe, Params: m.Params,
		Bytes: m.Source.Bytes, Uploaded: m.Timings.Uploaded, Error: m.Error, Attempts: m.Attempts,
		timings: &m.Timings,
	}
	for _, o := range m.Outputs {
		url, err := d.store.PresignGet(ctx, store.Results, o.Key, "")
		if err != nil {
			return nil, err
		}
		doc.Outputs = append(doc.Outputs, outputDoc{
			Name: o.Name, Width: o.Width, Height: o.Height, Format: o.Format, Bytes: o.Bytes,
			Location: "s3://" + d.spec.ResultsBucket + "/" + o.Key, URL: url,
		})
	}
	return doc, nil
}

// look finds out how far an image is: a manifest that is not of the original as it
// stands now (overwritten since) counts as none.
func look(ctx context.Context, d *deployment, info store.SourceInfo) (*imageDoc, error) {
	m, _, err := d.store.Manifest(ctx, info.ID)
	switch {
	case err == nil && m.Source.ETag == info.ETag:
		return describe(ctx, d, m)
	case err == nil || errors.Is(err, store.ErrNotFound):
		return &imageDoc{ID: info.ID, Key: info.Key, Status: recipe.Queued, Bytes: info.Size, Uploaded: info.LastModified}, nil
	default:
		return nil, err
	}
}

func openForReading(ctx context.Context, cfg config.Config, out IO) (*deployment, error) {
	c, err := loadAWS(ctx, cfg, quiet(out.Err))
	if err != nil {
		return nil, err
	}
	return openDeployment(cfg, c)
}

// Status says how far images are.
func Status(ctx context.Context, cfg config.Config, out IO, ids []string) error {
	d, err := openForReading(ctx, cfg, out)
	if err != nil {
		return err
	}
	at := d.inWork(quiet(out.Err))
	for _, id := range ids {
		info, err := d.store.KeyOf(ctx, id)
		if errors.Is(err, store.ErrNotFound) {
			return refuse("`tintype list` shows the images there are", "there is no image %q in s3://%s", id, d.spec.UploadsBucket)
		}
		if err != nil {
			return err
		}
		doc, err := look(ctx, d, info)
		if err != nil {
			return err
		}
		at.mark(ctx, doc)
		if err := printStatus(out, doc); err != nil {
			return err
		}
	}
	return nil
}

func printStatus(out IO, doc *imageDoc) error {
	if out.JSON {
		return json.NewEncoder(out.Out).Encode(doc)
	}
	fmt.Fprintf(out.Out, "%s  %s  %s\n", doc.ID, doc.Status, quoteName(doc.Key))
	if doc.Error != nil {
		fmt.Fprintf(out.Out, "  %s: %s\n", doc.Error.Code, doc.Error.Message)
		if doc.Error.Hint != "" {
			fmt.Fprintf(out.Out, "  %s\n", doc.Error.Hint)
		}
	}
	printOutputs(out.Out, doc.Outputs)
	return nil
}

// List prints up to limit images, newest first.
func List(ctx context.Context, cfg config.Config, out IO, limit int) error {
	book, err := recipes(cfg)
	if err != nil {
		return err
	}
	d, err := openForReading(ctx, cfg, out)
	if err != nil {
		return err
	}
	var tw *tabwriter.Writer
	if !out.JSON {
		tw = tabwriter.NewWriter(out.Out, 0, 0, 2, ' ', 0)
		defer tw.Flush()
	}
	at := d.inWork(quiet(out.Err))
	cursor := ""
	for left := limit; left > 0; {
		page, next, err := d.store.List(ctx, cursor, min(left, 100))
		if err != nil {
			return err
		}
		docs, err := lookAll(ctx, d, images(book, page))
		if err != nil {
			return err
		}
		at.mark(ctx, docs...)
		for _, doc := range docs {
			if out.JSON {
				err = json.NewEncoder(out.Out).Encode(doc)
			} else {
				err = listRow(tw, doc)
			}
			if err != nil {
				return err
			}
		}
		left -= len(page)
		if cursor = next; next == "" {
			break
		}
	}
	return nil
}

// images are those of a page that no rule says are none.
func images(book *recipe.Book, page []store.SourceInfo) []store.SourceInfo {
	return slices.DeleteFunc(slices.Clone(page), func(info store.SourceInfo) bool {
		name, own := store.RuleKey(info.Key)
		return !own && book.Ignores(name)
	})
}

func listRow(w io.Writer, doc *imageDoc) error {
	why := ""
	if doc.Error != nil {
		why = doc.Error.Code
	}
	_, err := fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", doc.ID, doc.Status, byteSize(doc.Bytes), quoteName(doc.Key), why)
	return err
}

// lookAll looks at a page of images, some at a time: each costs a request.
func lookAll(ctx context.Context, d *deployment, page []store.SourceInfo) ([]*imageDoc, error) {
	docs := make([]*imageDoc, len(page))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(16)
	for i, info := range page {
		g.Go(func() (err error) {
			docs[i], err = look(ctx, d, info)
			return err
		})
	}
	return docs, g.Wait()
}

// quoteName shows a key on a terminal without letting it write control sequences.
func quoteName(key string) string {
	for _, r := range key {
		if r < ' ' || r == 0x7f || (r >= 0x80 && r <= 0x9f) {
			return fmt.Sprintf("%q", key)
		}
	}
	return key
}

// byteSize is a size for people, in decimal units.
func byteSize(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d B", n)
	case n < 1_000_000:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	default:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
}
