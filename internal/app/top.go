package app

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/term"

	"github.com/tintype/tintype/internal/backlog"
	"github.com/tintype/tintype/internal/config"
	"github.com/tintype/tintype/internal/deadletter"
	"github.com/tintype/tintype/internal/presence"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/store"
	"github.com/tintype/tintype/internal/top"
)

// TopOptions say what `tintype top` looks at, and how it shows that.
type TopOptions struct {
	URL, Token string // of a web tier; empty: AWS is asked
	Every      time.Duration
	Once       bool
}

// Top shows the pipeline live.
func Top(ctx context.Context, cfg config.Config, out IO, o TopOptions) error {
	t := top.Options{Out: out.Out, Every: o.Every, Once: o.Once, JSON: out.JSON, Width: 120, Getenv: os.Getenv}
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n >= 40 && n <= 1000 {
		t.Width = n
	}
	if !o.Once && !out.JSON {
		in, ok := out.In.(*os.File)
		if !ok || !isTerminalIn(in) || !isTerminal(out.Out) {
			return refuse("say --once for one look as text, or --json for lines of JSON", "there is no terminal to show it in")
		}
		t.In = in
	}
	if o.URL != "" {
		w, err := top.NewWeb(o.URL, o.Token)
		if err != nil {
			return refuse("", "--url: %v", err)
		}
		if !o.Once {
			ctx, stop := context.WithCancel(ctx)
			var g errgroup.Group
			g.Go(func() error { w.Listen(ctx); return nil })
			defer func() {
				stop()
				_ = g.Wait()
			}()
		}
		t.Source = w
	} else {
		t.Source = newDirect(cfg)
	}
	if t.In == nil {
		return top.Run(ctx, t)
	}
	// Whatever goes wrong, the person gets back the terminal as it was.
	fd := int(t.In.Fd())
	was, err := term.GetState(fd)
	if err != nil {
		return fmt.Errorf("read the terminal's settings: %w", err)
	}
	defer func() { _ = term.Restore(fd, was) }()
	return top.Run(ctx, t)
}

const (
	// directImages is how many originals are looked at; each without a result costs a request
	// with every list.
	directImages = 50
	// directEvery is the least time between two lists.
	directEvery = 5 * time.Second
)

// direct asks AWS itself: the queues, what app processes say of themselves, and the newest
// images.
type direct struct {
	cfg  config.Config
	q    *queues
	book *recipe.Book

	apps     *presence.Reader
	meter    *backlog.Meter
	listed   time.Time
	images   []top.Image
	known    map[string]finished // by id
	counts   []totals            // of the last minute, and one before that
	lastSeen map[string]presence.App
}

type finished struct {
	etag  string
	image top.Image
}

// totals are how many images the app processes have finished, as far as this command has seen.
type totals struct {
	at           time.Time
	done, failed int64
}

func newDirect(cfg config.Config) *direct {
	return &direct{cfg: cfg, known: map[string]finished{}, lastSeen: map[string]presence.App{}}
}

func (d *direct) Name() string {
	if d.cfg.AWS.EndpointURL != "" {
		return d.cfg.AWS.EndpointURL
	}
	if u := os.Getenv("AWS_ENDPOINT_URL"); u != "" {
		return u
	}
	return "AWS"
}

// open finds the deployment. Until it is there every look tries again.
func (d *direct) open(ctx context.Context) (err error) {
	if d.q != nil {
		return nil
	}
	if d.book, err = recipes(d.cfg); err != nil {
		return err
	}
	// What the libraries have to say would be written across the screen.
	q, err := openQueues(ctx, d.cfg, IO{Err: io.Discard})
	if err != nil {
		return err
	}
	d.q = q
	d.apps = presence.NewReader(q.d.clients.S3, q.d.spec.ResultsBucket, false, nil)
	d.meter = backlog.New(backlog.Options{SQS: q.d.clients.SQS, QueueURL: q.res.QueueURL, DeadLetterURL: q.res.DeadLetterQueueURL, Apps: d.apps, AppsAge: time.Second})
	return nil
}

func (d *direct) Look(ctx context.Context) (top.Snapshot, error) {
	s := top.Snapshot{Time: time.Now().UTC()}
	if err := d.open(ctx); err != nil {
		return s, err
	}
	f, err := d.meter.Sample(ctx, 500*time.Millisecond)
	if err != nil {
		return s, err
	}
	s.Queue, s.Apps = &f, f.Apps
	s.DonePerMinute, s.FailedPerMinute = d.rates(s.Time, f.Apps)
	if time.Since(d.listed) >= directEvery {
		if d.images, err = d.list(ctx); err != nil {
			return s, err
		}
		d.listed = time.Now()
	}
	s.Images = slices.Clone(d.images)
	named := presence.InWork(f.Apps)
	for i, img := range s.Images {
		if n, ok := named[img.ID]; ok && n.Key == img.Key && img.Status == string(recipe.Queued) {
			s.Images[i].Status, s.Images[i].Attempts, s.Images[i].App = string(recipe.Processing), n.Attempt, n.App
		}
	}
	s.P50, s.P99 = latencies(s.Time, s.Images)
	return s, nil
}

// rates are what app processes have finished over the last minute, by their own counts.
func (d *direct) rates(now time.Time, apps []presence.Seen) (done, failed *float64) {
	if apps == nil {
		return nil, nil
	}
	sum := totals{at: now}
	if n := len(d.counts); n > 0 {
		sum.done, sum.failed = d.counts[n-1].done, d.counts[n-1].failed
	}
	seen := map[string]presence.App{}
	for _, a := range apps {
		if was, ok := d.lastSeen[a.ID]; ok || len(d.counts) > 0 { // one that is new began at nothing
			sum.done += max(a.Done-was.Done, 0)
			sum.failed += max(a.Failed-was.Failed, 0)
		}
		seen[a.ID] = a.App
	}
	d.lastSeen = seen
	for len(d.counts) > 1 && now.Sub(d.counts[1].at) >= time.Minute {
		d.counts = d.counts[1:]
	}
	d.counts = append(d.counts, sum)
	first := d.counts[0]
	span := now.Sub(first.at).Minutes()
	if span <= 0 {
		return nil, nil
	}
	x, y := float64(sum.done-first.done)/span, float64(sum.failed-first.failed)/span
	return &x, &y
}

// latencies are of the images listed that were finished in the last minute.
func latencies(now time.Time, images []top.Image) (p50, p99 *int64) {
	var ms []int64
	for _, i := range images {
		if !i.Finished.IsZero() && now.Sub(i.Finished) <= time.Minute {
			ms = append(ms, i.TotalMS)
		}
	}
	if len(ms) == 0 {
		return nil, nil
	}
	slices.Sort(ms)
	return &ms[(len(ms)-1)/2], &ms[(len(ms)*99-1)/100]
}

// list looks at the newest images. Those that have a result of their original cost nothing
// the next time.
func (d *direct) list(ctx context.Context) ([]top.Image, error) {
	page, _, err := d.q.d.store.List(ctx, "", directImages)
	if err != nil {
		return nil, err
	}
	page = images(d.book, page)
	found := make([]top.Image, len(page))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(16)
	for i, info := range page {
		if k, ok := d.known[info.ID]; ok && k.etag == info.ETag {
			found[i] = k.image
			continue
		}
		g.Go(func() (err error) {
			found[i], err = d.one(gctx, info)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	d.known = make(map[string]finished, len(found))
	for i, img := range found {
		if !img.Finished.IsZero() {
			d.known[img.ID] = finished{page[i].ETag, img}
		}
	}
	return found, nil
}

func (d *direct) one(ctx context.Context, info store.SourceInfo) (top.Image, error) {
	doc, err := look(ctx, d.q.d, info)
	if err != nil {
		return top.Image{}, err
	}
	i := top.Image{ID: doc.ID, Key: doc.Key, Status: string(doc.Status), Recipe: doc.Recipe, Bytes: doc.Bytes, Attempts: doc.Attempts, Uploaded: doc.Uploaded}
	if doc.Error != nil {
		i.Code, i.Message, i.Hint = doc.Error.Code, doc.Error.Message, doc.Error.Hint
	}
	if t := doc.timings; t != nil {
		i.Finished = t.Finished
		i.WaitMS, i.TotalMS = max(t.Started.Sub(t.Uploaded).Milliseconds(), 0), max(t.Finished.Sub(t.Uploaded).Milliseconds(), 0)
		i.FetchMS, i.WorkMS, i.StoreMS = t.FetchMS, t.ProcessMS, t.StoreMS
	}
	for _, o := range doc.Outputs {
		i.Outputs = append(i.Outputs, fmt.Sprintf("%s  %d×%d  %s  %s  %s", o.Name, o.Width, o.Height, o.Format, byteSize(o.Bytes), o.Location))
	}
	return i, nil
}

func (d *direct) DeadLetters(ctx context.Context, limit int) (*deadletter.List, error) {
	if err := d.open(ctx); err != nil {
		return nil, err
	}
	desk, err := d.q.desk()
	if err != nil {
		return nil, err
	}
	return desk.List(ctx, limit)
}
