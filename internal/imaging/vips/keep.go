package vips

// #include "bridge.h"
import "C"

import (
	"github.com/davidbyttow/govips/v2/vips"
)

// Keep is metadata that goes into every file that is written with it. It must be closed.
type Keep struct {
	carrier *File
	profile bool
}

// NewKeep takes metadata from a JPEG that has nothing else to it. Where profile is set,
// files say of their pixels that they are sRGB by a profile of it.
func NewKeep(carrier []byte, profile bool) (*Keep, error) {
	f, err := Open(carrier, LoadOptions{Format: "jpeg"})
	if err != nil {
		return nil, err
	}
	return &Keep{carrier: f, profile: profile}, nil
}

// Close lets go of the metadata.
func (k *Keep) Close() { k.carrier.Close() }

// attach gives the metadata to an image that is about to be written.
func (k *Keep) attach(ref *vips.ImageRef) error {
	p, err := pointer(ref)
	if err != nil {
		return err
	}
	profile := C.int(0)
	if k.profile {
		profile = 1
	}
	if C.tt_attach(p, k.carrier.image, profile) != 0 {
		return lastError("attach metadata")
	}
	return nil
}

// Metadata returns copies of the blocks that the file has, each nil where it has none.
func (f *File) Metadata() (exif, xmp, iptc []byte) {
	return f.blob(C.VIPS_META_EXIF_NAME), f.blob(C.VIPS_META_XMP_NAME), f.blob(C.VIPS_META_IPTC_NAME)
}

// profileOf is the ICC profile that an image carries, or nil.
func profileOf(ref *vips.ImageRef) []byte {
	p, err := pointer(ref)
	if err != nil {
		return nil
	}
	return blobOf(p, C.VIPS_META_ICC_NAME)
}
