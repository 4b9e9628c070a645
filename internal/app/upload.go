package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/tintype/tintype/internal/config"
	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/imaging/sniff"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/store"
)

// sniffBytes is how much of a file is looked at to tell its format.
const sniffBytes = 64 << 10

// UploadOptions are what Upload does with each file.
type UploadOptions struct {
	Recipe  string            // empty: the default
	Params  map[string]string // raw
	Wait    bool              // until the image is processed
	Timeout time.Duration     // of the wait
}

// Upload puts files into the uploads bucket, as any S3 client could; the bucket's
// event notification does the rest. A file that cannot be an image is refused before
// anything is sent. It goes on after a file that fails, and returns ErrReported then.
func Upload(ctx context.Context, cfg config.Config, out IO, o UploadOptions, files []string) error {
	book, err := recipes(cfg)
	if err != nil {
		return err
	}
	// Refused here rather than after the upload.
	if err := known(book, cfg, o, files); err != nil {
		return err
	}
	c, err := loadAWS(ctx, cfg, quiet(out.Err))
	if err != nil {
		return err
	}
	meter := &meter{}
	c.HTTPClient = &meteredClient{inner: c.HTTPClient, meter: meter}
	d, err := openDeployment(cfg, c)
	if err != nil {
		return err
	}
	failed := false
	for _, file := range files {
		u := &upload{cfg: cfg, out: out, opts: o, d: d, meter: meter, file: file}
		if err := u.run(ctx); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			failed = true
			u.fail(err)
		}
	}
	if failed {
		return ErrReported
	}
	return nil
}

// known refuses a recipe that there is not, and parameters that it does not take.
func known(book *recipe.Book, cfg config.Config, o UploadOptions, files []string) error {
	for _, file := range files {
		_, err := book.Resolve(book.Choose(filepath.Base(file), o.Recipe, o.Params))
		if f := fault.As(err); f != nil && f.Code == fault.CodeUnknownRecipe && cfg.Recipes == "" {
			f.Hint = "where the tiers have recipes of their own, name their file with --recipes"
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// upload is one file on its way.
type upload struct {
	cfg   config.Config
	out   IO
	opts  UploadOptions
	d     *deployment
	meter *meter
	file  string

	id, key string
}

func (u *upload) fail(err error) {
	text, hint := Explain(err)
	if u.out.JSON {
		_ = json.NewEncoder(u.out.Out).Encode(map[string]any{"file": u.file, "id": u.id, "error": map[string]string{"code": fault.CodeOf(err), "message": text, "hint": hint}})
		return
	}
	fmt.Fprintf(u.out.Err, "%s: %s\n", u.file, text)
	if hint != "" {
		fmt.Fprintf(u.out.Err, "  %s\n", hint)
	}
}

func (u *upload) run(ctx context.Context) error {
	f, err := os.Open(u.file)
	if err != nil {
		return refuse("", "cannot be read: %v", errors.Unwrap(err))
	}
	defer f.Close()
	size, format, err := u.inspect(f)
	if err != nil {
		return err
	}
	u.id = store.NewID(time.Now())
	u.key = store.UploadKey(u.id, filepath.Base(u.file))
	bar := u.bar(size)
	u.meter.start(func(n int64) { _ = bar.Set64(min(n, size)) })
	_, err = u.d.store.PutSource(ctx, store.PutSource{
		Key: u.key, Body: f, Size: size, ContentType: mime.TypeByExtension("." + format),
		Recipe: u.opts.Recipe, Params: u.opts.Params, // no recipe: the app tier's rules choose
	})
	u.meter.stop()
	if err != nil {
		_ = bar.Exit()
		fmt.Fprintln(u.barOutput())
		return err
	}
	_ = bar.Finish()
	if u.opts.Wait {
		return u.wait(ctx)
	}
	if u.out.JSON {
		return json.NewEncoder(u.out.Out).Encode(map[string]any{"file": u.file, "id": u.id, "key": u.key, "status": recipe.Queued})
	}
	fmt.Fprintf(u.out.Out, "%s: uploaded as %s\n", u.file, u.id)
	return nil
}

// inspect refuses what the app tier would refuse, as far as the first bytes tell.
func (u *upload) inspect(f *os.File) (size int64, format string, err error) {
	st, err := f.Stat()
	if err != nil {
		return 0, "", err
	}
	switch {
	case st.IsDir():
		return 0, "", refuse("name the files in it: "+filepath.Join(u.file, "*"), "is a directory")
	case !st.Mode().IsRegular():
		return 0, "", refuse("", "is not a regular file")
	case st.Size() == 0:
		return 0, "", fault.Permanentf(fault.CodeEmpty, "the file is empty")
	case st.Size() > u.cfg.Limits.Bytes:
		return 0, "", fault.Permanentf(fault.CodeTooLarge, "the file has %d bytes; at most %d are accepted (--max-bytes)", st.Size(), u.cfg.Limits.Bytes)
	}
	head := make([]byte, min(st.Size(), sniffBytes))
	if _, err := io.ReadFull(f, head); err != nil {
		return 0, "", fmt.Errorf("read: %w", err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return 0, "", fmt.Errorf("read: %w", err)
	}
	format, _, _, ok := sniff.Probe(head)
	if !ok {
		return 0, "", fault.Permanentf(fault.CodeNotAnImage, "is not an image of a format that Tintype knows")
	}
	return st.Size(), format, nil
}

func (u *upload) barOutput() io.Writer {
	if u.out.JSON || !isTerminal(u.out.Err) {
		return io.Discard
	}
	return u.out.Err
}

func (u *upload) bar(size int64) *progressbar.ProgressBar {
	w := u.barOutput()
	return progressbar.NewOptions64(size,
		progressbar.OptionSetWriter(w), progressbar.OptionSetDescription(filepath.Base(u.file)),
		progressbar.OptionShowBytes(true), progressbar.OptionSetWidth(30), progressbar.OptionThrottle(50*time.Millisecond),
		progressbar.OptionOnCompletion(func() { fmt.Fprintln(w) }),
	)
}

// wait polls for the image's manifest, which is the one sign that it is processed.
func (u *upload) wait(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, u.opts.Timeout)
	defer cancel()
	pause := 50 * time.Millisecond
	said := false
	for {
		m, _, err := u.d.store.Manifest(ctx, u.id)
		if err == nil {
			return u.report(ctx, m)
		}
		if !errors.Is(err, store.ErrNotFound) && ctx.Err() == nil {
			return err
		}
		if !said && pause > 500*time.Millisecond {
			said = true
			fmt.Fprintf(u.barOutput(), "%s: waiting for the app tier…\n", u.file)
		}
		select {
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return refuse("the upload is safe and will be processed: see whether an app tier runs, then `tintype status "+u.id+"`", "not processed within %v", u.opts.Timeout)
			}
			return ctx.Err()
		case <-time.After(pause):
			pause = min(pause*3/2, time.Second)
		}
	}
}

// report prints where the results are, or why there are none.
func (u *upload) report(ctx context.Context, m *recipe.Manifest) error {
	if m.Status == recipe.Failed {
		return &fault.Error{Kind: fault.Permanent, Code: m.Error.Code, Message: m.Error.Message, Hint: m.Error.Hint}
	}
	doc, err := describe(ctx, u.d, m)
	if err != nil {
		return err
	}
	if u.out.JSON {
		doc.File = u.file
		return json.NewEncoder(u.out.Out).Encode(doc)
	}
	fmt.Fprintf(u.out.Out, "%s: done in %v as %s\n", u.file, m.Timings.Finished.Sub(m.Timings.Uploaded).Round(time.Millisecond), u.id)
	printOutputs(u.out.Out, doc.Outputs)
	return nil
}

func printOutputs(w io.Writer, outputs []outputDoc) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, o := range outputs {
		fmt.Fprintf(tw, "  %s\t%d×%d\t%s\t%s\t%s\n", o.Name, o.Width, o.Height, o.Format, byteSize(o.Bytes), o.Location)
	}
	_ = tw.Flush() // a closed standard output cannot be told
}
