package imaging_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tintype/tintype/internal/imaging/vips"
	"github.com/tintype/tintype/internal/recipe"
	"github.com/tintype/tintype/internal/testimages"
)

func keep(words recipe.Value) recipe.Step {
	return recipe.Step{Kind: recipe.StepKeep, Metadata: words}
}

// kept is the blocks of a file, as libvips reads them.
func kept(t *testing.T, format string, b []byte) (exif, xmp, profile []byte) {
	t.Helper()
	f, err := vips.Open(b, vips.LoadOptions{Format: format, FailOn: vips.FailOnError})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	exif, xmp, _ = f.Metadata()
	return exif, xmp, f.Profile()
}

// carriers are what libvips reads of each format: Exif, XMP, a profile. It writes XMP
// into AVIF, which it does not read.
var carriers = map[recipe.Format][3]bool{
	recipe.JPEG: {true, true, true}, recipe.PNG: {true, true, true}, recipe.WebP: {true, true, true},
	recipe.AVIF: {true, false, true}, recipe.TIFF: {false, true, true}, recipe.GIF: {},
}

func TestKeptMetadata(t *testing.T) {
	src := testimages.WithProfile(testimages.WithMetadata(testimages.JPEG(64, 48), 6, binary.BigEndian), testimages.DisplayP3.Profile())
	for format, can := range carriers {
		for words, want := range map[recipe.Value][3]bool{"copyright": {true, true, false}, "exif-no-gps": {true, false, false},
			"icc": {false, false, true}, "copyright,exif-no-gps,icc": {true, true, true}} {
			o := process(t, src, one(recipe.Output{Format: format}, keep(words))).Outputs[0]
			if secret, ok := testimages.HasSecret(o.Bytes); ok {
				t.Errorf("%s, %s: %s is kept", format, words, secret)
			}
			if o.Width != 48 || o.Height != 64 {
				t.Errorf("%s, %s: %d × %d", format, words, o.Width, o.Height)
			}
			exif, xmp, profile := kept(t, o.Format, o.Bytes)
			if got := bytes.Contains(exif, []byte("Exif Copyright")) && bytes.Contains(exif, []byte("Exif Author")); got != (want[0] && can[0]) {
				t.Errorf("%s, %s: Exif with copyright: %v: %q", format, words, got, exif)
			}
			if got := bytes.Contains(exif, []byte("Model 7")); got != (can[0] && strings.Contains(string(words), "exif")) {
				t.Errorf("%s, %s: Exif with the camera: %v", format, words, got)
			}
			if got := bytes.Contains(xmp, []byte("Exif Copyright")) && bytes.Contains(xmp, []byte("Xmp &amp; Agency")); got != (want[1] && can[1]) {
				t.Errorf("%s, %s: XMP: %v", format, words, got)
			}
			if got := len(profile) > 0; got != (want[2] && can[2]) || bytes.Contains(profile, []byte("P3 test")) {
				t.Errorf("%s, %s: profile of %d bytes", format, words, len(profile))
			}
			// Shown by a reader that heeds Exif and profile, it is the same picture.
			plain := process(t, src, one(recipe.Output{Format: recipe.PNG})).Outputs[0].Bytes
			again := process(t, o.Bytes, one(recipe.Output{Format: recipe.PNG})).Outputs[0].Bytes
			if mean, _ := difference(t, decode(t, again), decode(t, plain)); mean > 8 {
				t.Errorf("%s, %s: differs by %.2f", format, words, mean)
			}
		}
	}
}

// TestStripAfterKeep: the later of the two counts.
func TestStripAfterKeep(t *testing.T) {
	src := testimages.WithMetadata(testimages.JPEG(64, 48), 1, binary.LittleEndian)
	strip := recipe.Step{Kind: recipe.StepStrip}
	if exif, xmp, _ := kept(t, "jpeg", process(t, src, one(recipe.Output{Format: recipe.JPEG}, keep("copyright"), strip)).Outputs[0].Bytes); exif != nil || xmp != nil {
		t.Errorf("keep, strip: Exif %q, XMP %q", exif, xmp)
	}
	if exif, _, _ := kept(t, "jpeg", process(t, src, one(recipe.Output{Format: recipe.JPEG}, strip, keep("copyright"))).Outputs[0].Bytes); exif == nil {
		t.Error("strip, keep: nothing is kept")
	}
	plain := process(t, testimages.JPEG(64, 48), one(recipe.Output{Format: recipe.JPEG})).Outputs[0].Bytes
	if b := process(t, testimages.JPEG(64, 48), one(recipe.Output{Format: recipe.JPEG}, keep("copyright,exif-no-gps"))).Outputs[0].Bytes; !bytes.Equal(b, plain) {
		t.Error("nothing to keep changes the file")
	}
}

// TestKeptFromOtherFormats: what came in as PNG, WebP, AVIF or TIFF keeps its credits too.
func TestKeptFromOtherFormats(t *testing.T) {
	src := testimages.WithMetadata(testimages.JPEG(64, 48), 1, binary.LittleEndian)
	for _, from := range []recipe.Format{recipe.PNG, recipe.WebP, recipe.AVIF, recipe.TIFF} {
		first := process(t, src, one(recipe.Output{Format: from}, keep("copyright"))).Outputs[0].Bytes
		second := process(t, first, one(recipe.Output{Format: recipe.JPEG}, keep("copyright"))).Outputs[0].Bytes
		exif, xmp, _ := kept(t, "jpeg", second)
		if !bytes.Contains(exif, []byte("Exif Copyright")) || carriers[from][1] && !bytes.Contains(xmp, []byte("Xmp &amp; Agency")) {
			t.Errorf("%s: Exif %q, XMP %q", from, exif, xmp)
		}
	}
}

// TestKeptSeenByExifTool asks another reader, where it is installed.
func TestKeptSeenByExifTool(t *testing.T) {
	tool, err := exec.LookPath("exiftool")
	if err != nil {
		t.Skip("exiftool is not installed")
	}
	src := testimages.WithMetadata(testimages.JPEG(64, 48), 6, binary.BigEndian)
	for _, format := range []recipe.Format{recipe.JPEG, recipe.PNG, recipe.WebP, recipe.AVIF, recipe.TIFF} {
		o := process(t, src, one(recipe.Output{Format: format}, keep("copyright,exif-no-gps,icc"))).Outputs[0]
		file := filepath.Join(t.TempDir(), "out."+o.Ext)
		if err := os.WriteFile(file, o.Bytes, 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), tool, "-G1", "-s", "-a", "-u", file).Output()
		if err != nil {
			t.Fatal(err)
		}
		said := string(out)
		for _, gone := range []string{"GPS", "MakerNote", "Thumbnail", "SerialNumber", "OwnerName", "UserComment", "UniqueID", "SECRET", "IPTC"} {
			if strings.Contains(said, gone) {
				t.Errorf("%s: %s is there:\n%s", format, gone, said)
			}
		}
		wanted := []string{"Exif Copyright", "Exif Author", "Xmp & Agency", "Ask first"}
		if carriers[format][0] {
			wanted = append(wanted, "Model 7", "2024:05:06 07:08:09", "Lens 50mm", "1/250")
		}
		for _, want := range wanted {
			if !strings.Contains(said, want) {
				t.Errorf("%s: there is no %q:\n%s", format, want, said)
			}
		}
	}
}
