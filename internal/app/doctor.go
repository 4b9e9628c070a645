package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"net"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/tintype/tintype/internal/config"
	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/imaging"
	"github.com/tintype/tintype/internal/imaging/isolate"
	"github.com/tintype/tintype/internal/provision"
	"github.com/tintype/tintype/internal/recipe"
)

// finding is one thing that doctor looked at.
type finding struct {
	Check  string `json:"check"`
	OK     bool   `json:"ok"`
	Found  string `json:"found"`
	Remedy string `json:"remedy,omitempty"` // where it is not ok, or could be better
}

// errUnwell is told after the findings, which say more.
var errUnwell = errors.New("doctor: something is wrong, see above")

// Doctor looks at what the app tier needs on this machine, and whether the resources that
// the configuration names can be reached. The error says that something is wrong.
func Doctor(ctx context.Context, cfg config.Config, out IO) error {
	var all []finding
	for _, look := range []func(context.Context, config.Config, IO) []finding{doctorImaging, doctorResources} {
		for _, f := range look(ctx, cfg, out) {
			all = append(all, f)
			if err := f.print(out); err != nil {
				return err
			}
		}
	}
	if slices.ContainsFunc(all, func(f finding) bool { return !f.OK }) {
		return errUnwell
	}
	return nil
}

func (f finding) print(out IO) error {
	if out.JSON {
		return json.NewEncoder(out.Out).Encode(f)
	}
	mark := "ok   "
	if !f.OK {
		mark = "WRONG"
	}
	fmt.Fprintf(out.Out, "%s  %-14s  %s\n", mark, f.Check, f.Found)
	if f.Remedy != "" {
		fmt.Fprintf(out.Out, "%23s%s\n", "", f.Remedy)
	}
	return nil
}

// doctorImaging tells what the libvips at hand can do, and processes a picture as the app
// tier would.
func doctorImaging(ctx context.Context, cfg config.Config, _ IO) []finding {
	log := logger(cfg, io.Discard)
	engine, err := imaging.New(imaging.Options{Logger: log})
	if err != nil {
		return []finding{{Check: "libvips", Found: err.Error(), Remedy: "Install libvips 8.13 or later and build again: make build."}}
	}
	can := engine.Abilities()
	engine.Close()
	found := []finding{
		{Check: "libvips", OK: true, Found: engine.Version()},
		formats("reads", can.Reads, "jpeg", "png", "gif", "webp", "tiff", "heif", "avif"),
		formats("writes", can.Writes, "jpeg", "png", "webp", "gif", "tiff", "avif"),
	}
	text := finding{Check: "text", OK: true, Found: "watermarks of text can be drawn"}
	if !can.Text {
		text.Found, text.Remedy = "watermarks of text cannot be drawn", "They need a libvips that was built with Pango."
	}
	return append(found, text, doctorIsolation(cfg), doctorProcess(ctx, cfg))
}

// formats compares a list of formats with those that there can be. JPEG and PNG have to be
// there: the built-in recipes write them.
func formats(check string, can []string, all ...string) finding {
	f := finding{Check: check, OK: slices.Contains(can, "jpeg") && slices.Contains(can, "png"), Found: strings.Join(can, " ")}
	missing := slices.DeleteFunc(all, func(s string) bool { return slices.Contains(can, s) })
	if len(missing) > 0 {
		f.Remedy = "Not with this libvips: " + strings.Join(missing, " ") + ". Debian's libvips42 has all."
	}
	return f
}

func doctorIsolation(cfg config.Config) finding {
	if cfg.App.Isolation == "none" {
		return finding{Check: "isolation", OK: true, Found: "none: images are processed in the tier itself", Remedy: "--isolation process keeps a hostile image from the tier."}
	}
	s := isolate.Confinement()
	f := finding{Check: "isolation", OK: true, Found: s.String()}
	if !s.Full() {
		f.Remedy = "Not here: " + strings.Join(s.Lacks, "; ") + "."
	}
	return f
}

func doctorProcess(ctx context.Context, cfg config.Config) finding {
	wrong := func(err error) finding {
		return finding{Check: "an image", Found: "it cannot be processed: " + err.Error(), Remedy: fault.HintOf(err)}
	}
	engine, _, err := openImager(cfg, logger(cfg, io.Discard))
	if err != nil {
		return wrong(err)
	}
	defer engine.Close()
	var src bytes.Buffer
	if err := png.Encode(&src, image.NewGray(image.Rect(0, 0, 16, 16))); err != nil {
		return wrong(err)
	}
	job, err := recipe.Builtin().Resolve(recipe.Default, nil)
	if err != nil {
		return wrong(err)
	}
	if _, err := engine.Process(ctx, imaging.Request{Source: src.Bytes(), Job: job}); err != nil {
		return wrong(err)
	}
	return finding{Check: "an image", OK: true, Found: "was processed"}
}

// remedyFor says what helps where a resource did not answer with err, or is not there.
func remedyFor(err error) string {
	if op := new(net.OpError); errors.As(err, &op) {
		return "See whether the endpoint is running, and check AWS_ENDPOINT_URL or --endpoint-url."
	}
	return "Run tintype provision, and see that the credentials may use it."
}

// doctorResources asks for each resource that the tiers use.
func doctorResources(ctx context.Context, cfg config.Config, out IO) []finding {
	c, err := loadAWS(ctx, cfg, quiet(out.Err))
	if err != nil {
		return []finding{{Check: "AWS", Found: err.Error(), Remedy: fault.HintOf(err)}}
	}
	d, err := openDeployment(cfg, c)
	if err != nil {
		return []finding{{Check: "AWS", Found: err.Error(), Remedy: fault.HintOf(err)}}
	}
	var found []finding
	for _, bucket := range []string{d.spec.UploadsBucket, d.spec.ResultsBucket} {
		f := finding{Check: "bucket", OK: true, Found: bucket}
		if _, err := d.clients.S3.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &bucket}); err != nil {
			f = finding{Check: "bucket", Found: bucket + ": " + err.Error(), Remedy: remedyFor(err)}
		}
		found = append(found, f)
	}
	res, err := provision.Find(ctx, d.clients, d.spec)
	switch {
	case err != nil:
		found = append(found, finding{Check: "queue", Found: err.Error(), Remedy: remedyFor(err)})
	case res.DeadLetterQueueURL == "":
		found = append(found, finding{Check: "queue", OK: true, Found: res.QueueURL},
			finding{Check: "dead letters", Found: d.spec.DeadLetterQueue + " is not there: what fails again and again stays in the queue", Remedy: remedyFor(nil)})
	default:
		found = append(found, finding{Check: "queue", OK: true, Found: res.QueueURL}, finding{Check: "dead letters", OK: true, Found: res.DeadLetterQueueURL})
	}
	return found
}
