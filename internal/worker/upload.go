package worker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"slices"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"golang.org/x/sync/errgroup"

	"github.com/tintype/tintype/internal/event"
	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/imaging"
	"github.com/tintype/tintype/internal/queue"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/store"
)

// attempt is one upload on its way through this worker.
type attempt struct {
	*Worker
	log     *slog.Logger
	msg     queue.Message
	up      event.Upload
	id      string
	started time.Time // for those who ask what is in work
	begun   time.Time // for the manifest, by the store's clock, which the first answer of all tells

	ask *Call // the recipe and parameters that count in the place of the original's; nil: its own

	prev     *recipe.Manifest // the result found at the start; nil where there is none
	prevETag string           // what CommitManifest must still find

	original *bytes.Buffer // of the pool; its bytes are the request's source

	traced traced
}

// upload brings one upload to its end: done, failed, or found to need nothing. An error
// means that the message must come back.
func (w *Worker) upload(ctx context.Context, log *slog.Logger, m queue.Message, u event.Upload) (err error) {
	id := store.IDForKey(u.Key)
	a := &attempt{Worker: w, log: log.With("image", id, "key", u.Key), msg: m, up: u, id: id, started: w.opts.Store.Now()}
	defer w.begin(a)()
	ctx = a.trace(ctx)
	defer func() {
		if err != nil && ctx.Err() == nil {
			w.told.fault(fault.CodeOf(err), fault.KindOf(err))
		}
		a.close(ctx, err)
	}()
	if !a.first() {
		if err := a.look(ctx); err != nil {
			return err
		}
		a.begun = w.opts.Store.Now()
		if settled, err := a.settled(ctx); settled {
			return err
		}
	}
	return a.work(ctx)
}

// first reports whether this is most likely the first that anybody hears of the image: an
// upload under an id of its own, in a message received for the first time. Looking for a result
// would be a request for nothing. Where there is one all the same, of a message that came
// twice, the commit finds it, and only work is lost (docs/adr/0036).
func (a *attempt) first() bool {
	_, own := store.RuleKey(a.up.Key)
	return own && a.msg.ReceiveCount <= 1 && a.msg.Try <= 1 && slices.Contains(uploading, a.up.Name)
}

// uploading are the events of new objects. A copy is how an image is asked for again.
var uploading = []string{"ObjectCreated:Put", "ObjectCreated:Post", "ObjectCreated:CompleteMultipartUpload"}

// look reads the manifest that is there now.
func (a *attempt) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, a.opts.CallTimeout)
	defer cancel()
	var err error
	a.prev, a.prevETag, err = a.opts.Store.Manifest(ctx, a.id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil
	case errors.Is(err, store.ErrUnreadable):
		a.log.Warn("what stands in the manifest's place is no manifest; it will be replaced", "error", err)
		return nil
	}
	return err
}

// settled reports whether the manifest that is there leaves nothing to do for this event:
// it is the result of this very event, or of a later one.
func (a *attempt) settled(ctx context.Context) (bool, error) {
	switch {
	case a.prev == nil:
		return false, nil
	case a.stale():
		a.superseded.Add(1)
		a.log.Info("a newer event of this image has been dealt with already")
		return true, nil
	case a.prev.Source.Key == a.up.Key && a.up.Sequencer != "" && a.prev.Source.Sequencer == a.up.Sequencer:
		return true, a.repeat(ctx)
	}
	return false, nil
}

// stale reports whether the manifest belongs to a later event than ours. Sequencers order
// the events of one key. Two keys share an id only where somebody put a second file under
// an upload's prefix by hand; then the times must do.
func (a *attempt) stale() bool {
	if a.prev.Source.Key == a.up.Key {
		return event.Later(a.prev.Source.Sequencer, a.up.Sequencer)
	}
	return !a.up.Time.IsZero() && a.prev.Timings.Uploaded.After(a.up.Time)
}

// repeat deals with an event whose result is there. It is announced again if this message has
// been tried before, or the event has been sent again by somebody who looked at the dead
// letters, with an id of its own: then whoever had it may have ended, or failed, between storing
// and announcing. The announcement has the same id as the first.
func (a *attempt) repeat(ctx context.Context) error {
	sameEvent := a.prev.Source.Key == a.up.Key && a.up.Sequencer != "" && a.prev.Source.Sequencer == a.up.Sequencer
	sameMessage := a.prev.MessageID != "" && a.prev.MessageID == a.msg.ID
	again := a.msg.ReceiveCount > 1 || a.msg.Try > 1 || a.unheard() || sameEvent && a.prev.MessageID != "" && !sameMessage
	a.unneeded.Add(1)
	a.log.Info("there is a current result already", "announced_again", again || sameMessage)
	switch {
	case again:
		m, err := a.confirm(ctx, a.prev)
		if err != nil || m == nil {
			return err
		}
		return a.announce(ctx, m)
	case sameMessage:
		return a.announceTwin(ctx)
	}
	return nil
}

// announceTwin deals with a message that SQS has given out twice, to each for the first time. We
// delete it, and by that the other loses its lease, perhaps before it has announced its result:
// so we announce it as well. Of an original that is gone by now nobody needs to hear.
func (a *attempt) announceTwin(ctx context.Context) error {
	if a.prev.Status == recipe.Done {
		if there, err := a.sourceThere(ctx, a.prev); err != nil || !there {
			return err
		}
	}
	return a.announce(ctx, a.prev)
}

// work fetches, processes and stores.
func (a *attempt) work(ctx context.Context) error {
	m := a.manifest()
	a.inherit(m)
	src, req, err := a.fetch(ctx, m)
	ctx = a.in(ctx)
	switch {
	case errors.Is(err, store.ErrChanged):
		a.superseded.Add(1)
		a.log.Info("overwritten by a newer upload, whose own event comes")
		return nil
	case errors.Is(err, store.ErrGone) && a.backfilled():
		a.superseded.Add(1)
		a.log.Info("deleted since the backfill saw it")
		return nil
	case errors.Is(err, errCurrent):
		return a.repeat(ctx)
	case err != nil:
		return a.end(ctx, m, err)
	}
	if a.begun.IsZero() { // the original's was the first answer
		m.Timings.Started = a.opts.Store.Now().Add(-time.Duration(m.Timings.FetchMS) * time.Millisecond)
	}

	pic, took, err := a.compute(ctx, req)
	m.Timings.ProcessMS = took.Milliseconds()
	if err != nil {
		return a.end(ctx, m, err)
	}
	m.Source.Width, m.Source.Height, m.Source.Format = pic.Source.Width, pic.Source.Height, pic.Source.Format

	began := time.Now()
	if m.Outputs, err = a.put(ctx, store.Stored{ETag: src.ETag, VersionID: src.VersionID}, req.Job, pic); err != nil {
		return err
	}
	m.Timings.StoreMS = time.Since(began).Milliseconds()
	// All are stored, so nobody reads these any more. After a failure somebody may.
	pic.Done()
	a.originals.put(a.original)
	m.Status = recipe.Done
	return a.finish(ctx, m)
}

// manifest is what is known before the original has been opened.
func (a *attempt) manifest() *recipe.Manifest {
	uploaded := a.up.Time
	if uploaded.IsZero() {
		uploaded = a.msg.SentAt
	}
	begun := a.begun
	if begun.IsZero() {
		begun = a.opts.Store.Now()
	}
	return &recipe.Manifest{
		Version: recipe.ManifestVersion, ID: a.id, Recipe: recipe.Default, Attempts: a.msg.ReceiveCount,
		Source:  recipe.Source{Bucket: a.up.Bucket, Key: a.up.Key, ETag: a.up.ETag, VersionID: a.up.VersionID, Sequencer: a.up.Sequencer, Bytes: a.up.Size},
		Timings: recipe.Timings{Uploaded: uploaded, Started: begun}, Program: a.opts.Program, Libvips: a.opts.Imaging.Version(), MessageID: a.msg.ID,
	}
}

// errCurrent means that the result that is there is of exactly this source and this job.
var errCurrent = errors.New("the result is current")

// fetch opens the original, finds out what is to be done to it, and reads it and what else
// is needed, filling in m as it learns. What is refused by its headers alone is never read.
func (a *attempt) fetch(ctx context.Context, m *recipe.Manifest) (src *store.Source, req imaging.Request, err error) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, a.opts.IOTimeout)
	defer cancel()
	src, err = a.opts.Store.OpenSource(ctx, a.up.Key, a.up.ETag)
	if err != nil {
		return nil, req, err
	}
	defer src.Body.Close()
	ctx, done := a.fetched(a.join(ctx, src), began)
	size := attribute.Int64("tintype.source.bytes", src.Size)
	defer func() { done(missed(err), size) }()
	m.Source.ETag, m.Source.VersionID, m.Source.Bytes, m.Source.ContentType = src.ETag, src.VersionID, src.Size, src.ContentType
	if m.Timings.Uploaded.IsZero() || a.backfilled() {
		m.Timings.Uploaded = src.LastModified
	}
	if a.ask != nil {
		src.Recipe, src.Params, src.MetaErr = a.ask.Recipe, a.ask.Params, nil
	}
	key, _ := store.RuleKey(a.up.Key)
	name, params := a.opts.Recipes.Choose(key, src.Recipe, src.Params)
	m.Recipe = name
	if src.MetaErr != nil {
		return nil, req, src.MetaErr
	}
	m.Asked = &recipe.Asked{Recipe: src.Recipe, Params: src.Params}
	job, err := a.opts.Recipes.Resolve(name, params)
	if err != nil {
		return nil, req, err
	}
	m.Recipe, m.Params, m.RecipeHash = job.Recipe, job.Params, job.Hash
	if a.prev.Current(src.ETag, src.VersionID, job.Hash) && a.prev.Source.Key == a.up.Key && !a.askedAgain() {
		return nil, req, errCurrent
	}
	req.Job = job
	if a.original, err = a.read(src); err != nil {
		return nil, req, err
	}
	req.Source = a.original.Bytes()
	m.Source.Bytes = int64(len(req.Source))
	if req.Assets, m.Assets, err = a.assets.get(ctx, job); err != nil {
		return nil, req, err
	}
	m.Timings.FetchMS = time.Since(began).Milliseconds()
	a.told.took(stageFetch, began)
	a.told.spent(stageWait, m.Timings.Started.Sub(m.Timings.Uploaded))
	return src, req, nil
}

// missed leaves out of an error of fetch what is none.
func missed(err error) error {
	if errors.Is(err, errCurrent) {
		return nil
	}
	return err
}

// read reads an original, bounded. One that its headers say is too large is not read at
// all; where they do not say, it is read as far as the limit.
func (a *attempt) read(src *store.Source) (*bytes.Buffer, error) {
	if src.Size > a.opts.MaxBytes {
		return nil, a.tooLarge()
	}
	body := a.originals.get()
	body.Grow(int(max(src.Size, 0)) + bytes.MinRead)
	// To the end of the stream, which is where the SDK compares the checksum.
	n, err := body.ReadFrom(io.LimitReader(src.Body, a.opts.MaxBytes+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read s3://%s/%s: %w", a.up.Bucket, a.up.Key, err)
	case n > a.opts.MaxBytes:
		return nil, a.tooLarge()
	case src.Size > 0 && n != src.Size:
		return nil, fmt.Errorf("read s3://%s/%s: got %d bytes of %d", a.up.Bucket, a.up.Key, n, src.Size)
	case n == 0:
		return nil, &fault.Error{Kind: fault.Permanent, Code: fault.CodeEmpty, Message: "the file is empty", Hint: "upload it again; something cut the upload short"}
	}
	return body, nil
}

func (a *attempt) tooLarge() error {
	return &fault.Error{Kind: fault.Permanent, Code: fault.CodeTooLarge,
		Message: fmt.Sprintf("the file is larger than the %s that are allowed", megabytes(a.opts.MaxBytes)),
		Hint:    "upload a smaller file, or have the limit raised and send the image through again"}
}

// megabytes is a size for people: "50 MB", "51.2 MB", "1234 bytes".
func megabytes(n int64) string {
	if n < 100_000 {
		return fmt.Sprintf("%d bytes", n)
	}
	return strconv.FormatFloat(math.Round(float64(n)/1e5)/10, 'f', -1, 64) + " MB"
}

// put stores all outputs at once.
func (a *attempt) put(ctx context.Context, src store.Stored, job *recipe.Job, pic *imaging.Picture) ([]recipe.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, a.opts.IOTimeout)
	defer cancel()
	began := time.Now()
	results := make([]recipe.Result, len(pic.Outputs))
	g, ctx := errgroup.WithContext(ctx)
	for i, out := range pic.Outputs {
		g.Go(func() (err error) {
			results[i] = recipe.Result{
				Name: out.Name, Key: store.OutputKey(a.id, src.ETag, src.VersionID, job.Hash, out.Name, out.Ext), ContentType: out.ContentType, Format: out.Format,
				Width: out.Width, Height: out.Height, Bytes: int64(len(out.Bytes)),
				Quality: out.Quality, OverTarget: out.OverTarget, ThumbHash: out.ThumbHash, DominantColor: out.DominantColor,
			}
			ctx, done := a.stage(ctx, "store", attribute.String("tintype.output", out.Name), attribute.Int("tintype.output.bytes", len(out.Bytes)))
			results[i].SHA256, err = a.opts.Store.PutOutput(ctx, results[i].Key, out.ContentType, out.Bytes)
			done(err)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	a.told.took(stageStore, began)
	for _, out := range pic.Outputs {
		a.told.outputBytes.Add(float64(len(out.Bytes)))
	}
	return results, nil
}

// end deals with an error: a permanent one becomes a manifest with status failed, any
// other brings the message back.
func (a *attempt) end(ctx context.Context, m *recipe.Manifest, err error) error {
	f := fault.As(err)
	if f == nil || f.Kind != fault.Permanent || ctx.Err() != nil {
		return err
	}
	m.Status = recipe.Failed
	m.Error = &recipe.Failure{Code: fault.CodeOf(err), Message: f.Message, Hint: f.Hint}
	return a.finish(ctx, m)
}

// commitTries bounds how often a conflict over the manifest is fought out at one go.
const commitTries = 5

// finish commits the manifest and announces it. Where somebody else wrote in between, the
// newer event wins: ours is dropped, or written over theirs.
func (a *attempt) finish(ctx context.Context, m *recipe.Manifest) error {
	m.Timings.Finished = a.opts.Store.Now()
	for range commitTries {
		if ctx.Err() != nil { // the lease is lost, or time is up: nothing may be published
			return context.Cause(ctx)
		}
		err := a.commit(ctx, m)
		if err == nil {
			return a.conclude(ctx, m)
		}
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
		if err := a.look(ctx); err != nil {
			return err
		}
		if a.ownWrite(m) { // it was stored, only the answer was lost
			return a.conclude(ctx, m)
		}
		if a.prev != nil && a.prev.Error != nil && a.prev.Error.Code == fault.CodeSourceGone && m.Status == recipe.Done {
			// The original went and came back. Whoever saw it gone is deleting outputs, which may be
			// these: it is done again after that.
			return fmt.Errorf("commit the manifest of %s: its outputs are being deleted: %w", a.id, store.ErrConflict)
		}
		if settled, err := a.settled(ctx); settled {
			return err
		}
		if a.backfilled() && a.prev != nil {
			return a.yield(ctx, m)
		}
		// The same source and job, without sequencers to tell two events apart.
		if a.prev.Current(m.Source.ETag, m.Source.VersionID, m.RecipeHash) && a.prev.Status == m.Status && m.Source.Sequencer == "" {
			return a.repeat(ctx)
		}
	}
	return fmt.Errorf("commit the manifest of %s: %d conflicts in a row: %w", a.id, commitTries, store.ErrConflict)
}

// ownWrite reports whether the manifest just read is the one that was to be written.
func (a *attempt) ownWrite(m *recipe.Manifest) bool {
	return a.prev != nil && a.prev.MessageID == m.MessageID && a.prev.Attempts == m.Attempts && a.prev.Timings.Finished.Equal(m.Timings.Finished)
}

func (a *attempt) commit(ctx context.Context, m *recipe.Manifest) error {
	ctx, cancel := context.WithTimeout(ctx, a.opts.CallTimeout)
	defer cancel()
	began := time.Now()
	ctx, done := a.stage(ctx, "commit", attribute.String("tintype.status", string(m.Status)))
	err := a.opts.Store.CommitManifest(ctx, m, a.prevETag)
	done(err)
	if err == nil {
		a.told.took(stageCommit, began)
	}
	return err
}

// conclude counts a result that has just been stored, and announces it.
func (a *attempt) conclude(ctx context.Context, m *recipe.Manifest) error {
	final, err := a.confirm(ctx, m)
	if final != nil {
		m = final
	}
	t := m.Timings
	log := a.log.With("recipe", m.Recipe, "fetch_ms", t.FetchMS, "process_ms", t.ProcessMS, "store_ms", t.StoreMS, "waited_ms", t.Started.Sub(t.Uploaded).Milliseconds())
	if m.Status == recipe.Failed {
		a.failed.Add(1)
		a.told.fault(m.Error.Code, fault.Permanent)
		log.Info("an image failed", "code", m.Error.Code, "reason", m.Error.Message)
	} else {
		a.done.Add(1)
		log.Info("an image is done", "bytes", m.Source.Bytes, "width", m.Source.Width, "height", m.Source.Height, "outputs", len(m.Outputs))
	}
	if err != nil || final == nil {
		return err
	}
	if err := a.announce(ctx, m); err != nil {
		return err
	}
	a.told.whole.Observe(max(a.opts.Store.Now().Sub(t.Uploaded).Seconds(), 0))
	return nil
}

// announce tells of a result that is stored; not where the lease is lost: whoever has the
// message now will.
func (a *attempt) announce(ctx context.Context, m *recipe.Manifest) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if a.silent() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, a.opts.CallTimeout)
	defer cancel()
	began := time.Now()
	ctx, done := a.stage(ctx, "announce", attribute.String("tintype.status", string(m.Status)))
	err := a.opts.Announcer.Announce(ctx, event.NewCompletion(m))
	done(err)
	if err == nil {
		a.told.took(stageAnnounce, began)
	}
	return err
}
