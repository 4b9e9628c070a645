package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/tintype/tintype/internal/config"
	"github.com/tintype/tintype/internal/doctor"
	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/presence"
	"github.com/tintype/tintype/internal/provision"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/store"
)

// errUnwell is told after the findings, which say more.
var errUnwell = errors.New("doctor: something is wrong, see above")

// DoctorOptions say what Doctor does besides looking.
type DoctorOptions struct {
	Tier     string // "web", "app" or "all": whose needs are looked at
	Probe    bool   // an image is sent through
	Fix      bool   // what provision can mend is mended
	Patience time.Duration
}

// Doctor looks at what the tiers need on this machine and in AWS, and says what is wrong and
// how it is mended. The error says that something is.
func Doctor(ctx context.Context, cfg config.Config, out IO, o DoctorOptions) error {
	if o.Tier != string(doctor.All) && o.Tier != string(doctor.Web) && o.Tier != string(doctor.App) {
		return &BadSetting{fmt.Errorf("--tier: %q: web, app or all", o.Tier)}
	}
	all := doctorMachine(ctx, cfg, doctor.Tier(o.Tier))
	c, err := loadAWS(ctx, cfg, quiet(out.Err))
	if err != nil {
		all = append(all, doctor.New("endpoint-silent", "AWS environment", err.Error(), fault.HintOf(err), ""))
		return tell(out, all)
	}
	d, err := openDeployment(cfg, c)
	if err != nil {
		return err
	}
	e := &examination{cfg: cfg, d: d, o: doctorOptions(cfg, d, o), clients: doctor.Clients{S3: d.clients.S3, SNS: d.clients.SNS, SQS: d.clients.SQS, STS: sts.NewFromConfig(c)}}
	found, st := e.look(ctx)
	if o.Fix && slices.ContainsFunc(found, func(f doctor.Finding) bool { return f.Provision }) {
		if err := printFindings(out, append(all, found...)); err != nil {
			return err
		}
		if found, st, err = e.fix(ctx, out); err != nil {
			return err
		}
		all = nil // told already; the rest is told anew
	}
	if o.Probe && st.Fatal == nil {
		found = append(found, e.probe(ctx, st, o.Patience)...)
	}
	return tell(out, append(all, found...))
}

// doctorOptions name the deployment.
func doctorOptions(cfg config.Config, d *deployment, o DoctorOptions) doctor.Options {
	return doctor.Options{
		Region: d.spec.Region, Uploads: d.spec.UploadsBucket, Results: d.spec.ResultsBucket,
		Queue: d.spec.Queue, DeadLetterQueue: d.spec.DeadLetterQueue, UploadTopic: d.spec.UploadTopic, CompletionTopic: d.spec.CompletionTopic,
		Origins: origins(cfg), WebQueuePrefix: webQueuePrefix, Tier: doctor.Tier(o.Tier), TLS: !d.spec.PlainHTTP,
	}
}

// webQueuePrefix begins the names of the web instances' queues.
const webQueuePrefix = "tintype-web-"

// examination is one look at a deployment.
type examination struct {
	cfg     config.Config
	d       *deployment
	o       doctor.Options
	clients doctor.Clients
}

func (e *examination) look(ctx context.Context) ([]doctor.Finding, *doctor.State) {
	st := doctor.Look(ctx, e.clients, e.o)
	var more []doctor.Finding
	if st.Fatal == nil && st.Results.State == doctor.There {
		e.presences(ctx, st)
		st.Slowest = e.slowest(ctx)
	}
	if st.Fatal == nil && st.Uploads.State == doctor.There {
		more = e.assets(ctx)
	}
	return append(doctor.Judge(e.o, st), more...), st
}

// presences asks what app processes say of themselves.
func (e *examination) presences(ctx context.Context, st *doctor.State) {
	seen, err := presence.NewReader(e.d.clients.S3, e.d.spec.ResultsBucket, false, nil).Recent(ctx, 0)
	if err != nil {
		st.Refused = append(st.Refused, doctor.Refusal{Action: "s3:GetObject", Resource: "presences of app processes", Err: err.Error()})
		return
	}
	st.AppsKnown = true
	for _, a := range seen {
		st.Apps = append(st.Apps, doctor.AppProcess{ID: a.ID, Host: a.Host, Program: a.Program, Reason: a.Reason, Started: a.Started, Ready: a.Ready, Stale: a.Stale, Draining: a.Draining})
	}
}

// sampled is how many of the latest images tell how long one takes.
const sampled = 10

// slowest is the longest that one of the latest images was in work.
func (e *examination) slowest(ctx context.Context) (longest time.Duration) {
	page, _, err := e.d.store.List(ctx, "", sampled)
	if err != nil {
		return 0 // the findings about the bucket say why
	}
	for _, info := range page {
		if m, _, err := e.d.store.Manifest(ctx, info.ID); err == nil {
			longest = max(longest, m.Timings.Finished.Sub(m.Timings.Started))
		}
	}
	return longest
}

// assets looks whether the pictures are there that recipes put onto others.
func (e *examination) assets(ctx context.Context) (found []doctor.Finding) {
	book, err := recipes(e.cfg)
	if err != nil {
		return nil // told with the machine
	}
	for _, r := range book.Recipes() {
		job, err := book.Resolve(r.Name, nil)
		if err != nil {
			continue // has a parameter without a default
		}
		for _, key := range job.Assets() {
			if _, err := e.d.store.Stat(ctx, key); errors.Is(err, store.ErrGone) || errors.Is(err, store.ErrNotFound) {
				found = append(found, doctor.New("recipe-asset", "recipe "+r.Name, "s3://"+e.d.spec.UploadsBucket+"/"+key+" is not there", "put the picture there", ""))
			}
		}
	}
	return found
}

// fix has provision mend what it can, and looks again.
func (e *examination) fix(ctx context.Context, out IO) ([]doctor.Finding, *doctor.State, error) {
	if !out.JSON {
		fmt.Fprintf(out.Out, "\nMending what %s can:\n", doctor.Provision)
	}
	_, changes, err := provision.Ensure(ctx, e.d.clients, e.d.spec)
	changes = slices.DeleteFunc(changes, func(c provision.Change) bool { return c.Action == provision.Unchanged })
	if err := errors.Join(printChanges(out, changes), err); err != nil {
		return nil, nil, err
	}
	if !out.JSON {
		fmt.Fprintln(out.Out)
	}
	found, st := e.look(ctx)
	return found, st, nil
}

// probe sends an image through.
func (e *examination) probe(ctx context.Context, st *doctor.State, patience time.Duration) []doctor.Finding {
	picture, err := tinyPNG()
	if err != nil {
		return []doctor.Finding{doctor.New("probe-upload", "probe", err.Error(), "", "")}
	}
	id := store.NewID(e.d.store.Now())
	return doctor.Probe(ctx, e.clients, e.o, st, doctor.Trial{
		ID: id, Patience: patience,
		Put: func(ctx context.Context) error {
			_, err := e.d.store.PutSource(ctx, store.PutSource{Key: store.UploadKey(id, "tintype-doctor.png"), Body: strings.NewReader(picture), Size: int64(len(picture)), ContentType: "image/png", Recipe: recipe.Default})
			return err
		},
		Result: func(ctx context.Context) (bool, string, error) {
			m, _, err := e.d.store.Manifest(ctx, id)
			switch {
			case errors.Is(err, store.ErrNotFound):
				return false, "", nil
			case err != nil:
				return false, "", err
			case m.Status == recipe.Failed && m.Error != nil:
				return true, m.Error.Code + ": " + m.Error.Message, nil
			}
			return true, "", nil
		},
		Remove: func(ctx context.Context) error { return e.d.store.Delete(ctx, id) },
	})
}

// tell prints the findings and says in the error whether something is wrong.
func tell(out IO, all []doctor.Finding) error {
	if err := printFindings(out, all); err != nil {
		return err
	}
	n := map[doctor.Level]int{}
	for _, f := range all {
		n[f.Level]++
	}
	if !out.JSON {
		fmt.Fprintf(out.Out, "\n%d wrong, %d warnings, %d not checked. docs/runbook.md says more about each code.\n", n[doctor.Wrong], n[doctor.Warning], n[doctor.Unknown])
	}
	if n[doctor.Wrong] > 0 {
		return errUnwell
	}
	return nil
}

func printFindings(out IO, all []doctor.Finding) error {
	for _, group := range doctor.Groups() {
		first := true
		for _, f := range all {
			if f.Group != group {
				continue
			}
			if out.JSON {
				if err := json.NewEncoder(out.Out).Encode(f); err != nil {
					return err
				}
				continue
			}
			if first {
				fmt.Fprintln(out.Out, group)
				first = false
			}
			printFinding(out, f)
		}
	}
	return nil
}

func printFinding(out IO, f doctor.Finding) {
	line := "  " + f.Level.Mark() + " " + f.Resource
	if f.Found != "" {
		line += ": " + f.Found
	}
	if f.Code != "" {
		line += "  [" + f.Code + "]"
	}
	fmt.Fprintln(out.Out, visible(line))
	if f.Level == doctor.OK || f.Code == "" {
		return
	}
	for _, s := range []string{f.Why, f.Mend} {
		if s != "" {
			fmt.Fprintln(out.Out, visible("      "+strings.ToUpper(s[:1])+s[1:]+"."))
		}
	}
	if f.Command != "" {
		fmt.Fprintln(out.Out, visible("      $ "+f.Command))
	}
}

// visible keeps what others have named from acting on the terminal.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		if r != ' ' && !unicode.IsPrint(r) {
			return '\uFFFD'
		}
		return r
	}, s)
}
