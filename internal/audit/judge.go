package audit

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/store"
)

// looks is how often an image is looked at before something is called wrong with it.
const looks = 3

// young is the age of an output that may be in the making: one that is made again has the
// same key, and its manifest comes after it.
const young = time.Minute

// tolerance is how much later than its event S3 may say that an object was written: the two
// are taken at different instants, and the one is cut to seconds.
const tolerance = 2 * time.Second

// judgement is what is to be said of one group.
type judgement struct {
	id, key    string // key is that of an original, where there is one
	states     []stand
	candidates []record // originals without a current result
	findings   []Finding
	leftovers  []store.Object

	manifest, gone            bool
	unsettled                 bool // it changed while it was looked at
	outputs, outputBytes      int64
	foreign                   int64
	otherRecipe, otherProgram int64
	checked                   []recipe.Result // outputs that are there, of the size that is named
	making                    bool            // what is wrong may be in the making
}

func (j *judgement) violated() bool {
	for _, f := range j.findings {
		if violations[f.Code] {
			return true
		}
	}
	return false
}

func (j *judgement) find(code Code, key, object, hint, format string, args ...any) {
	j.findings = append(j.findings, Finding{Code: code, ID: j.id, Key: key, Object: object, Detail: fmt.Sprintf(format, args...), Hint: hint})
}

// examine judges a group, and judges it anew by what is there now where something seems to
// be wrong: the listings are older than the manifest.
func (a *auditor) examine(ctx context.Context, g group) (judgement, error) {
	for i := 1; ; i++ {
		j, m, err := a.judge(ctx, g)
		if err == nil && a.opts.Deep && !j.violated() && !j.unsettled {
			err = a.compare(ctx, &j, g)
		}
		if err != nil {
			return j, err
		}
		orphaned := len(g.sources) == 0 && m != nil
		if !j.violated() && !j.unsettled && (!orphaned || i > 1) || i == looks {
			return j, nil
		}
		if j.making {
			if err := sleep(ctx, a.opts.Settle); err != nil {
				return j, err
			}
		}
		if g, err = a.again(ctx, g, m); err != nil {
			return j, err
		}
	}
}

// again is the group as it is now.
func (a *auditor) again(ctx context.Context, g group, m *recipe.Manifest) (group, error) {
	now := group{id: g.id}
	keys := make([]string, 0, 1)
	for _, s := range g.sources {
		keys = append(keys, s.Key)
	}
	// An upload of after the listing is no orphan.
	if len(keys) == 0 && m != nil && store.IDForKey(m.Source.Key) == g.id {
		keys = append(keys, m.Source.Key)
	}
	for _, key := range keys {
		src, err := a.opts.Store.Stat(ctx, key)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return now, err
		}
		now.sources = append(now.sources, store.SourceInfo{ID: g.id, Key: key, Size: src.Size, ETag: src.ETag, LastModified: src.LastModified})
	}
	var err error
	now.objects, now.more, err = a.resultsOf(ctx, g.id)
	return now, err
}

// judge says what is to be said of a group as it was listed. The manifest is nil where there
// is none that is fit for use.
func (a *auditor) judge(ctx context.Context, g group) (judgement, *recipe.Manifest, error) {
	j := judgement{id: g.id, key: sourceKey(g)}
	at := store.ManifestKey(g.id)
	there := make(map[string]store.Object, len(g.objects))
	for _, o := range g.objects {
		there[o.Key] = o
	}
	var m *recipe.Manifest
	if _, j.manifest = there[at]; j.manifest {
		var err error
		if m, err = a.manifest(ctx, &j, g); err != nil {
			return j, nil, err
		}
		delete(there, at)
	}
	if m != nil && len(g.sources) > 0 {
		a.outputs(&j, g, m, there)
	}
	if m != nil {
		for _, o := range m.Outputs {
			delete(there, o.Key)
		}
	}
	for _, o := range g.objects {
		switch _, left := there[o.Key]; {
		case !left:
		case isOutput(o.Key):
			j.leftovers = append(j.leftovers, o)
		default:
			j.foreign++
		}
	}
	if g.more > 0 {
		j.find(Crowded, sourceKey(g), "", "look at what lies there, and remove what is of no use", "there are %d objects under the image's id in the results bucket; %d were looked at", len(g.objects)+g.more, len(g.objects))
	}
	if len(g.sources) == 0 {
		if m != nil && m.Error != nil && m.Error.Code == fault.CodeSourceGone {
			j.gone = true
		} else if m != nil {
			j.find(Orphan, m.Source.Key, at, "nobody needs these results unless somebody still reads them; `tintype` leaves them alone", "there is a result, and no original of it any more")
		}
		return j, m, nil
	}
	return j, m, a.stands(ctx, &j, g, m)
}

func sourceKey(g group) string {
	if len(g.sources) == 0 {
		return ""
	}
	return g.sources[0].Key
}

// isOutput reports whether a key of the results bucket is of the form of store.OutputKey.
func isOutput(key string) bool {
	parts := strings.Split(key, "/")
	if len(parts) != 3 || len(parts[1]) != 16 || parts[2] == "" {
		return false
	}
	_, err := strconv.ParseUint(parts[1], 16, 64)
	return err == nil && store.ValidID(parts[0])
}

// manifest reads the manifest of a group and judges it by itself. It is nil where it is of no
// use.
func (a *auditor) manifest(ctx context.Context, j *judgement, g group) (*recipe.Manifest, error) {
	at := store.ManifestKey(g.id)
	const hint = "find out who wrote it; `tintype backfill` has the image processed again"
	m, _, err := a.opts.Store.Manifest(ctx, g.id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		j.unsettled = true
		return nil, nil
	case errors.Is(err, store.ErrMisplaced):
		j.find(MisplacedManifest, sourceKey(g), at, hint, "%v", errors.Unwrap(err))
		return nil, nil
	case errors.Is(err, store.ErrUnreadable):
		j.find(UnreadableManifest, sourceKey(g), at, hint, "%v", errors.Unwrap(err))
		return nil, nil
	case err != nil:
		return nil, err
	}
	if code, what := a.unfit(m); code != "" {
		j.find(code, sourceKey(g), at, hint, "%s", what)
		return nil, nil
	}
	return m, nil
}

// unfit says what is wrong with a manifest by itself; "" where nothing is.
func (a *auditor) unfit(m *recipe.Manifest) (code Code, what string) {
	switch bucket := a.opts.Store.Bucket(store.Uploads); {
	case m.Source.Bucket != bucket:
		return MisplacedManifest, fmt.Sprintf("it is of an original in the bucket %q, not %q", m.Source.Bucket, bucket)
	case m.Status != recipe.Done && m.Status != recipe.Failed:
		return IncompleteManifest, fmt.Sprintf("its status is %q", m.Status)
	case m.Status == recipe.Done && len(m.Outputs) == 0:
		return IncompleteManifest, "it says that the image is done, and names no output"
	case m.Status == recipe.Failed && m.Error == nil:
		return IncompleteManifest, "it says that the image failed, and not why"
	}
	return "", ""
}

// outputs compares what a manifest names with what is there.
func (a *auditor) outputs(j *judgement, g group, m *recipe.Manifest, there map[string]store.Object) {
	const hint = "`tintype backfill --prefix` with its key and `--all` makes it again"
	for _, o := range m.Outputs {
		got, ok := there[o.Key]
		switch {
		case !strings.HasPrefix(o.Key, g.id+"/"):
			j.find(ElsewhereOutput, m.Source.Key, o.Key, hint, "the output %q is not kept under the image's id", o.Name)
		case !ok && g.more > 0: // it may be among those that were not looked at
		case !ok:
			j.find(MissingOutput, m.Source.Key, o.Key, hint, "the output %q is not there", o.Name)
		case got.Size != o.Bytes:
			j.making = j.making || time.Since(got.LastModified) < young
			j.find(WrongSize, m.Source.Key, o.Key, hint, "the output %q has %d bytes; its manifest says %d", o.Name, got.Size, o.Bytes)
		default:
			j.checked = append(j.checked, o)
		}
		j.outputs++
		j.outputBytes += o.Bytes
	}
}

// stands says where the originals of a group stand.
func (a *auditor) stands(ctx context.Context, j *judgement, g group, m *recipe.Manifest) error {
	for _, src := range g.sources {
		s, err := a.stand(ctx, src, m)
		if err != nil {
			return err
		}
		switch s.state {
		case "":
			r := fromSource(src)
			j.candidates = append(j.candidates, r)
			continue
		case Done, Failed:
			if a.recipeChanged(src.Key, m) {
				j.otherRecipe++
			}
			if m.Program != a.opts.Program {
				j.otherProgram++
			}
		case Shadowed:
			j.find(SharedID, src.Key, store.ManifestKey(g.id), "put it under a key of its own", "the original %q has the same id, is later, and has the result", m.Source.Key)
		}
		j.states = append(j.states, s)
	}
	return nil
}

// stand is where an original stands by its manifest (nil: none) alone; "" where that is not
// of the original as it stands.
func (a *auditor) stand(ctx context.Context, src store.SourceInfo, m *recipe.Manifest) (stand, error) {
	if m == nil || m.Source.Key != src.Key {
		if a.ignored(src.Key) {
			return stand{state: Ignored}, nil
		}
		if m != nil && !src.LastModified.After(m.Timings.Uploaded.Add(tolerance)) {
			return stand{state: Shadowed}, nil
		}
		return stand{}, nil
	}
	ok, err := a.current(ctx, src, m)
	if err != nil || !ok {
		return stand{}, err
	}
	if m.Status == recipe.Failed {
		return stand{state: Failed, code: m.Error.Code}, nil
	}
	return stand{state: Done}, nil
}

func (a *auditor) ignored(key string) bool {
	name, own := store.RuleKey(key)
	return !own && a.opts.Recipes.Ignores(name)
}

// current reports whether a manifest is of the original as it stands.
func (a *auditor) current(ctx context.Context, src store.SourceInfo, m *recipe.Manifest) (bool, error) {
	if m.Source.ETag != src.ETag {
		return false, nil
	}
	if !src.LastModified.After(m.Timings.Uploaded.Add(tolerance)) {
		return true, nil
	}
	// The same bytes have been written again since: by somebody who asks for it to be tried
	// again, perhaps otherwise.
	now, err := a.opts.Store.Stat(ctx, src.Key)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if now.ETag != m.Source.ETag || now.VersionID != m.Source.VersionID || m.Status == recipe.Failed || now.MetaErr != nil {
		return false, nil //nolint:nilerr // metadata that cannot be read lead to no result
	}
	return a.hash(src.Key, now.Recipe, now.Params) == m.RecipeHash, nil
}

// hash is that of the job that an upload would be today; "" where that cannot be done.
func (a *auditor) hash(key, name string, params map[string]string) string {
	rule, _ := store.RuleKey(key)
	job, err := a.opts.Recipes.Resolve(a.opts.Recipes.Choose(rule, name, params))
	if err != nil {
		return ""
	}
	return job.Hash
}

// recipeChanged reports whether today's recipes would do something else with an upload than
// its manifest says was done. Older manifests do not say what the upload asked for; of those
// only a change within the recipe is seen, and no change of rules.
func (a *auditor) recipeChanged(key string, m *recipe.Manifest) bool {
	switch {
	case m.Asked != nil:
		return a.hash(key, m.Asked.Recipe, m.Asked.Params) != m.RecipeHash
	case m.RecipeHash == "":
		return false
	}
	job, err := a.opts.Recipes.Resolve(m.Recipe, m.Params.Raw())
	return err != nil || job.Hash != m.RecipeHash
}
