package vips

// #include "bridge.h"
import "C"

import (
	"errors"
	"fmt"
	"reflect"
	"unsafe"

	"github.com/davidbyttow/govips/v2/vips"
)

// govips has no way to make an ImageRef of a libvips image, nor to give its image out.
// Both are done here by the one field that holds it. The version of govips is pinned,
// and checkBridge finds out at start if the field is not what it was.

// field is the *VipsImage within ref.
func field(ref *vips.ImageRef) (*unsafe.Pointer, error) {
	f := reflect.ValueOf(ref).Elem().FieldByName("image")
	if !f.IsValid() || f.Kind() != reflect.Pointer || f.Type().Elem().Kind() != reflect.Struct {
		return nil, errors.New("govips.ImageRef has changed: it has no pointer named image")
	}
	return (*unsafe.Pointer)(f.Addr().UnsafePointer()), nil
}

// pointer gives the libvips image within ref; it lives as long as ref.
func pointer(ref *vips.ImageRef) (*C.VipsImage, error) {
	p, err := field(ref)
	if err != nil {
		return nil, err
	}
	return (*C.VipsImage)(*p), nil
}

// adopt makes an ImageRef that owns image. It takes image over even when it fails.
func adopt(image *C.VipsImage) (*vips.ImageRef, error) {
	ref, err := vips.Black(1, 1)
	if err != nil {
		C.g_object_unref(C.gpointer(image))
		return nil, brief("make an image reference", err)
	}
	p, err := field(ref)
	if err != nil {
		C.g_object_unref(C.gpointer(image))
		ref.Close()
		return nil, err
	}
	C.g_object_unref(C.gpointer(*p))
	*p = unsafe.Pointer(image)
	return ref, nil
}

// checkBridge shows that adopt and pointer do what they should.
func checkBridge() error {
	image := C.vips_image_new_memory()
	if image == nil {
		return lastError("check the bridge to govips")
	}
	image.Xsize, image.Ysize = 7, 5
	ref, err := adopt(image)
	if err != nil {
		return fmt.Errorf("check the bridge to govips: %w", err)
	}
	defer ref.Close()
	p, err := pointer(ref)
	if err != nil {
		return fmt.Errorf("check the bridge to govips: %w", err)
	}
	if p != image || ref.Width() != 7 || ref.Height() != 5 {
		return errors.New("check the bridge to govips: it does not hold the image given to it")
	}
	return nil
}
