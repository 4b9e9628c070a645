package app

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/png"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/tintype/tintype/internal/config"
	"github.com/tintype/tintype/internal/doctor"
	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/imaging"
	"github.com/tintype/tintype/internal/imaging/isolate"
	"github.com/tintype/tintype/internal/recipe"
)

// doctorMachine looks at what a tier needs of the machine that this runs on.
func doctorMachine(ctx context.Context, cfg config.Config, tier doctor.Tier) []doctor.Finding {
	var found []doctor.Finding
	if _, err := recipes(cfg); err != nil {
		found = append(found, doctor.New("recipes-bad", "recipe file "+cfg.Recipes, err.Error(), "`tintype recipe check "+cfg.Recipes+"` names every fault", ""))
	}
	found = append(found, doctorTemp())
	if tier.Wants(doctor.App) {
		found = append(found, doctorImaging(ctx, cfg)...)
	}
	return found
}

func well(resource, found string) doctor.Finding {
	return doctor.Finding{Group: doctor.GroupMachine, Level: doctor.OK, Resource: resource, Found: found}
}

// leastTemp is the room that is wanted for temporary files, in bytes: some of the largest
// uploads at once.
const leastTemp = 1 << 30

// doctorTemp looks at the directory for temporary files.
func doctorTemp() doctor.Finding {
	dir := os.TempDir()
	resource := "temporary files in " + dir
	f, err := os.CreateTemp(dir, "tintype-doctor-")
	if err != nil {
		return doctor.New("temp-closed", resource, err.Error(), "make it writable, or set TMPDIR", "")
	}
	f.Close()
	os.Remove(f.Name())
	free, err := freeBytes(dir)
	switch {
	case err != nil: // where that cannot be told
		return well(resource, "can be written")
	case free < leastTemp:
		return doctor.New("temp-full", resource, byteSize(free)+" free", fmt.Sprintf("make room (%s at least), or set TMPDIR", byteSize(leastTemp)), "")
	}
	return well(resource, byteSize(free)+" free")
}

// doctorImaging tells what the libvips at hand can do, and processes a picture as the app
// tier would.
func doctorImaging(ctx context.Context, cfg config.Config) []doctor.Finding {
	engine, err := imaging.New(imaging.Options{Logger: logger(cfg, io.Discard)})
	if err != nil {
		return []doctor.Finding{doctor.New("libvips", "libvips", err.Error(), "install libvips 8.13 or later and build again: make build", "")}
	}
	can := engine.Abilities()
	version := engine.Version()
	engine.Close()
	found := []doctor.Finding{
		well("libvips", version),
		formats("formats read", can.Reads, "jpeg", "png", "gif", "webp", "tiff", "heif", "avif"),
		formats("formats written", can.Writes, "jpeg", "png", "webp", "gif", "tiff", "avif"),
	}
	text := well("text", "watermarks of text can be drawn")
	if !can.Text {
		text = doctor.New("text-missing", "text", "libvips was built without Pango", "use a libvips that was built with it", "")
	}
	return append(found, text, doctorIsolation(cfg), doctorProcess(ctx, cfg))
}

// formats compares a list of formats with those that there can be. JPEG and PNG have to be
// there: the built-in recipes write them.
func formats(resource string, can []string, all ...string) doctor.Finding {
	missing := slices.DeleteFunc(all, func(s string) bool { return slices.Contains(can, s) })
	const mend = "Debian's libvips42 has all"
	switch {
	case slices.Contains(missing, "jpeg") || slices.Contains(missing, "png"):
		return doctor.New("format-missing", resource, "not "+strings.Join(missing, " "), mend, "")
	case len(missing) > 0:
		return doctor.New("format-fewer", resource, "not "+strings.Join(missing, " "), mend, "")
	}
	return well(resource, strings.Join(can, " "))
}

func doctorIsolation(cfg config.Config) doctor.Finding {
	if cfg.App.Isolation == "none" {
		return doctor.New("confined-less", "isolation", "none: images are processed in the tier itself", "--isolation process keeps a hostile image from the tier", "")
	}
	s := isolate.Confinement()
	if !s.Full() {
		return doctor.New("confined-less", "isolation", s.String(), "not here: "+strings.Join(s.Lacks, "; "), "")
	}
	return well("isolation", s.String())
}

func doctorProcess(ctx context.Context, cfg config.Config) doctor.Finding {
	wrong := func(err error) doctor.Finding {
		return doctor.New("image-fails", "an image", err.Error(), fault.HintOf(err), "")
	}
	engine, _, err := openImager(cfg, logger(cfg, io.Discard))
	if err != nil {
		return wrong(err)
	}
	defer engine.Close()
	src, err := tinyPNG()
	if err != nil {
		return wrong(err)
	}
	job, err := recipe.Builtin().Resolve(recipe.Default, nil)
	if err != nil {
		return wrong(err)
	}
	if _, err := engine.Process(ctx, imaging.Request{Source: []byte(src), Job: job}); err != nil {
		return wrong(err)
	}
	return well("an image", "was processed")
}

// tinyPNG is a picture of 16 × 16 pixels.
func tinyPNG() (string, error) {
	var b bytes.Buffer
	err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 16, 16)))
	return b.String(), err
}
