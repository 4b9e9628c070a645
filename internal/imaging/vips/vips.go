// Package vips is the one place where libvips is called.
//
// Resizing and encoding go through govips. Its loading does not serve: it has neither
// sequential access (a second whole copy of every picture) nor the choice of what to
// fail on (a truncated JPEG would pass half gray, or a sound one with a warning fail),
// and it cannot forbid the loaders that libvips itself calls untrusted. These calls
// are made here in bridge.c; what they decode is handed to govips as an ImageRef.
//
// libvips is one per process, and so is what Startup sets up. Of ours the package
// imports nothing; internal/imaging decides what is to be done.
package vips

// #cgo pkg-config: vips
// #cgo LDFLAGS: -lm
// #include <stdlib.h>
// #include "bridge.h"
import "C"

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
	"unsafe"

	"github.com/davidbyttow/govips/v2/vips"
)

// loaders are the classes that may read a file: those that libvips counts as safe for
// untrusted bytes, of these only those for formats that Tintype takes, and of these only
// those that read from memory.
var loaders = []string{
	"VipsForeignLoadJpegBuffer",
	"VipsForeignLoadPngBuffer",
	"VipsForeignLoadNsgifBuffer",
	"VipsForeignLoadWebpBuffer",
	"VipsForeignLoadTiffBuffer",
	"VipsForeignLoadHeifBuffer",
}

// documents are the classes for formats that libvips counts as unsafe and that are drawn,
// not decoded, by the names that Startup takes.
var documents = map[string]string{"svg": "VipsForeignLoadSvgBuffer", "pdf": "VipsForeignLoadPdfBuffer"}

var (
	startOnce sync.Once
	startErr  error
)

// Startup makes libvips ready: operation cache off, the given number of threads per
// image, log lines to the logger, all untrusted loaders forbidden but those of the
// documents that are allowed, "svg" and "pdf". It fails if they cannot be shown to be.
// Only the first call in a process has effect; the others return what it returned.
func Startup(threads int, allow []string, logger *slog.Logger) error {
	startOnce.Do(func() { startErr = startup(threads, allow, logger) })
	return startErr
}

func startup(threads int, allow []string, logger *slog.Logger) (err error) {
	defer func() {
		if r := recover(); r != nil { // govips panics where libvips is too old or does not start
			err = fmt.Errorf("start libvips: %v", r)
		}
	}()
	C.tt_limit_arenas()
	vips.LoggingSettings(func(domain string, level vips.LogLevel, message string) {
		logger.Log(context.Background(), slogLevel(level), "libvips", "domain", domain, "message", message)
	}, vips.LogLevelWarning)
	vips.Startup(&vips.Config{ConcurrencyLevel: max(1, threads)}) // caches: zero entries
	if err := blockLoaders(allow); err != nil {
		return fmt.Errorf("start libvips %s: %w", vips.Version, err)
	}
	return checkBridge()
}

// KeepFree is how much freed memory may stay with the process between images, bytes: enough that a
// run of photographs does not fetch its pages anew for each.
const KeepFree = 128 << 20

// Trim gives memory back to the system where more than keep bytes of it are free. Call it
// after each image, with KeepFree.
func Trim(keep int) { C.tt_trim(C.size_t(keep)) }

// slogLevel: what libvips warns of is nearly always a damaged image, which is no
// operator's concern.
func slogLevel(l vips.LogLevel) slog.Level {
	switch {
	case l <= vips.LogLevelCritical:
		return slog.LevelError
	default:
		return slog.LevelDebug
	}
}

// blockLoaders forbids what is not in loaders nor a document that is allowed, and proves
// it twice: by the flags of every loader's class, and by giving one of them a file.
func blockLoaders(allow []string) error {
	var untrusted []string
	for _, d := range allow {
		if documents[d] == "" || !CanLoad(d) {
			return fmt.Errorf("%s files cannot be read by this libvips", strings.ToUpper(d))
		}
		untrusted = append(untrusted, documents[d])
	}
	trusted, freeTrusted := cStrings(loaders)
	defer freeTrusted()
	others, freeOthers := cStrings(untrusted)
	defer freeOthers()
	if n := C.tt_block_loaders(trusted, others); n != 0 {
		return fmt.Errorf("untrusted loaders cannot be blocked: %d are in the wrong state; "+
			"use libvips 8.13 or later", int(n))
	}
	if slices.Contains(allow, "svg") {
		return nil
	}
	const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>`
	ref, err := vips.LoadImageFromBuffer([]byte(svg), vips.NewImportParams())
	if err == nil {
		ref.Close()
		return errors.New("untrusted loaders cannot be blocked: an SVG was opened")
	}
	return nil
}

// cStrings makes a list for C that ends with NULL, and what frees it.
func cStrings(list []string) (first **C.char, free func()) {
	names := make([]*C.char, len(list)+1)
	for i, s := range list {
		names[i] = C.CString(s)
	}
	return &names[0], func() {
		for _, n := range names {
			C.free(unsafe.Pointer(n))
		}
	}
}

// Version is the version of libvips: "8.14.1".
func Version() string {
	v, _, _ := strings.Cut(vips.Version, "-")
	return v
}

// CanLoad says whether files of a format ("jpeg", "heif", …; "avif" is in "heif") can
// be decoded by the libvips at hand.
func CanLoad(format string) bool {
	name, ok := operations[format]
	if !ok {
		return false
	}
	c := C.CString(name.operation)
	defer C.free(unsafe.Pointer(c))
	return C.tt_has_operation(c) != 0
}

// CanSave says whether the libvips at hand can write a format of EncodeOptions.
func CanSave(format string) bool {
	if format == "avif" {
		format = "heif"
	}
	c := C.CString(format + "save_buffer")
	defer C.free(unsafe.Pointer(c))
	return C.tt_has_operation(c) != 0
}

// Stats are what libvips holds at the moment: 0 each when every image is closed.
type Stats struct {
	Bytes  int64
	Allocs int64
	Files  int64
}

// ReadStats reads the counters of libvips.
func ReadStats() Stats {
	var m vips.MemoryStats
	vips.ReadVipsMemStats(&m)
	return Stats{Bytes: m.Mem, Allocs: m.Allocs, Files: m.Files}
}

// Settle reads the counters until they are 0 or the time is over: the threads of
// libvips give back their last buffers a moment after an image is closed.
func Settle(most time.Duration) Stats {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(most); ; <-tick.C {
		if s := ReadStats(); s == (Stats{}) || time.Now().After(deadline) {
			return s
		}
	}
}

// lastError takes what libvips has to say. The text is shared by all threads, so that
// it may be another's, or empty: it is for a log, never to be decided by.
func lastError(op string) error {
	text := strings.TrimSpace(C.GoString(C.vips_error_buffer()))
	C.vips_error_clear()
	if text == "" {
		text = "libvips gave no reason"
	}
	return errors.New(op + ": " + firstLine(text))
}

// brief takes away the stack that govips puts behind its messages.
func brief(op string, err error) error { return errors.New(op + ": " + firstLine(err.Error())) }

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s[:min(len(s), 300)]
}
