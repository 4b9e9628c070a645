package app

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/tintype/tintype/internal/config"
	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/imaging"
	"github.com/tintype/tintype/internal/recipe"
)

// ProcessOptions say what Process makes of a file.
type ProcessOptions struct {
	Recipe string            // empty: as the rules say of a key like the file's name
	Params map[string]string // raw
	Output string            // the one that is wanted; empty: all
	Assets map[string]string // files by the keys of the objects that they stand for
}

// processed is the document of `process --json`, made like a manifest.
type processed struct {
	File       string         `json:"file"`
	Source     sourceDoc      `json:"source"`
	Recipe     string         `json:"recipe"`
	RecipeHash string         `json:"recipeHash"`
	Params     recipe.Params  `json:"params,omitempty"`
	Assets     []recipe.Asset `json:"assets,omitempty"`
	Outputs    []processedOut `json:"outputs"`
	ProcessMS  int64          `json:"processMs"`
	Program    string         `json:"program"`
	Libvips    string         `json:"libvips"`
}

type sourceDoc struct {
	Bytes  int    `json:"bytes"`
	Width  int    `json:"width"`
	Height int    `json:"height"`
	Format string `json:"format"`
}

type processedOut struct {
	Name        string `json:"name"`
	File        string `json:"file"`
	ContentType string `json:"contentType"`
	Format      string `json:"format"`
	Width       int    `json:"width"`
	Height      int    `json:"height"`
	Bytes       int    `json:"bytes"`
	SHA256      string `json:"sha256"`
	ThumbHash   string `json:"thumbHash,omitempty"`
}

// Process makes a recipe's outputs of one file, without any service: in is a file or "-",
// out a directory for all outputs or a file for one.
func Process(ctx context.Context, cfg config.Config, out IO, o ProcessOptions, in, to string) error {
	book, err := recipes(cfg)
	if err != nil {
		return err
	}
	doc, err := process(ctx, cfg, book, out, o, in, to)
	if err != nil {
		if out.JSON && ctx.Err() == nil {
			text, hint := Explain(err)
			_ = json.NewEncoder(out.Out).Encode(map[string]any{"file": in, "error": map[string]string{"code": fault.CodeOf(err), "message": text, "hint": hint}})
			return ErrReported
		}
		return err
	}
	if out.JSON {
		return json.NewEncoder(out.Out).Encode(doc)
	}
	tw := tabwriter.NewWriter(out.Out, 0, 0, 2, ' ', 0)
	for _, p := range doc.Outputs {
		fmt.Fprintf(tw, "%s\t%d×%d\t%s\t%s\t%s\n", p.Name, p.Width, p.Height, p.Format, byteSize(int64(p.Bytes)), quoteName(p.File))
	}
	return tw.Flush()
}

func process(ctx context.Context, cfg config.Config, book *recipe.Book, out IO, o ProcessOptions, in, to string) (*processed, error) {
	name := ""
	if in != "-" {
		name = filepath.Base(in)
	}
	job, err := book.Resolve(book.Choose(name, o.Recipe, o.Params))
	if err != nil {
		return nil, err
	}
	dir, err := target(job, o.Output, to)
	if err != nil {
		return nil, err
	}
	doc := &processed{File: in, Recipe: job.Recipe, RecipeHash: job.Hash, Params: job.Params, Program: Program()}
	req := imaging.Request{Job: job}
	if req.Assets, doc.Assets, err = readAssets(job, o.Assets); err != nil {
		return nil, err
	}
	if req.Source, err = readInput(out.In, in, cfg.Limits.Bytes); err != nil {
		return nil, err
	}
	engine, _, err := openImager(cfg, logger(cfg, io.Discard))
	if err != nil {
		return nil, err
	}
	defer engine.Close()
	began := time.Now()
	pic, err := engine.Process(ctx, req)
	if err != nil {
		return nil, err
	}
	doc.ProcessMS, doc.Libvips = time.Since(began).Milliseconds(), engine.Version()
	doc.Source = sourceDoc{len(req.Source), pic.Source.Width, pic.Source.Height, pic.Source.Format}
	if dir {
		if err := os.MkdirAll(to, 0o777); err != nil {
			return nil, err
		}
	}
	for _, p := range pic.Outputs {
		path := to
		if dir {
			path = filepath.Join(to, p.Name+"."+p.Ext)
		}
		if err := writeFile(path, p.Bytes); err != nil {
			return nil, err
		}
		sum := sha256.Sum256(p.Bytes)
		doc.Outputs = append(doc.Outputs, processedOut{Name: p.Name, File: path, ContentType: p.ContentType, Format: p.Format,
			Width: p.Width, Height: p.Height, Bytes: len(p.Bytes), SHA256: hex.EncodeToString(sum[:]), ThumbHash: p.ThumbHash})
	}
	return doc, nil
}

// target finds out whether outputs go into a directory: one that is there, or is to be made
// because the name ends in a slash. It leaves in job the outputs that are wanted.
func target(job *recipe.Job, output, to string) (dir bool, err error) {
	var names []string
	for _, o := range job.Outputs {
		names = append(names, o.Name)
	}
	if output != "" {
		i := slices.Index(names, output)
		if i < 0 {
			return false, refuse("", "the recipe %q has no output %q; it has: %s", job.Recipe, output, strings.Join(names, ", "))
		}
		job.Outputs = job.Outputs[i : i+1]
	}
	st, err := os.Stat(to)
	switch {
	case err == nil && st.IsDir():
		return true, nil
	case strings.HasSuffix(to, "/") || strings.HasSuffix(to, string(filepath.Separator)):
		return true, nil
	case len(job.Outputs) > 1:
		return false, refuse("name a directory, or one of them with --output", "%s is one file; the recipe %q makes %d: %s", to, job.Recipe, len(names), strings.Join(names, ", "))
	}
	return false, nil
}

// readInput reads the file, or the standard input, one byte past the limit at most: the
// engine refuses it then.
func readInput(stdin io.Reader, in string, limit int64) ([]byte, error) {
	from := stdin
	if in != "-" {
		file, err := os.Open(in)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		from = file
	}
	if from == nil {
		return nil, refuse("", "there is no standard input")
	}
	b, err := io.ReadAll(io.LimitReader(from, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", in, err)
	}
	return b, nil
}

// readAssets reads the files that stand for the objects which a job needs.
func readAssets(job *recipe.Job, files map[string]string) (map[string][]byte, []recipe.Asset, error) {
	var found map[string][]byte
	var docs []recipe.Asset
	for _, key := range job.Assets() {
		path := files[key]
		if path == "" {
			return nil, nil, refuse("give a file for it with --asset "+key+"=FILE", "the recipe %q needs the picture %q", job.Recipe, key)
		}
		file, err := os.Open(path)
		if err != nil {
			return nil, nil, err
		}
		b, err := io.ReadAll(io.LimitReader(file, recipe.MaxAsset+1))
		file.Close()
		switch {
		case err != nil:
			return nil, nil, fmt.Errorf("read %s: %w", path, err)
		case len(b) > recipe.MaxAsset:
			return nil, nil, fault.Permanentf(fault.CodeBadAsset, "%s is larger than %d bytes", path, recipe.MaxAsset)
		}
		if found == nil {
			found = map[string][]byte{}
		}
		sum := md5.Sum(b) // what S3 would call it
		found[key], docs = b, append(docs, recipe.Asset{Key: key, ETag: hex.EncodeToString(sum[:])})
	}
	return found, docs, nil
}

// writeFile puts a whole file in its place or nothing. What is there and is no regular
// file, such as /dev/stdout, is written to.
func writeFile(path string, b []byte) error {
	if st, err := os.Stat(path); err == nil && !st.Mode().IsRegular() {
		return os.WriteFile(path, b, 0o666)
	}
	for try := range 100 {
		part := fmt.Sprintf("%s.part%d", path, try)
		file, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err != nil {
			return err
		}
		_, err = bytes.NewReader(b).WriteTo(file)
		if err = errors.Join(err, file.Close()); err == nil {
			err = os.Rename(part, path)
		}
		if err != nil {
			_ = os.Remove(part)
		}
		return err
	}
	return fmt.Errorf("write %s: files with names like %s.part0 are in the way", path, path)
}
