package fault_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/tintype/tintype/internal/fault"
)

func TestWhatIsKnownSurvivesWrapping(t *testing.T) {
	f := fault.Permanentf(fault.CodeTooLarge, "the file has %d bytes", 7)
	f.Op, f.Hint, f.Err = "read x", "send less", io.ErrUnexpectedEOF
	err := fmt.Errorf("outer: %w", f)
	if fault.KindOf(err) != fault.Permanent || fault.CodeOf(err) != fault.CodeTooLarge || fault.HintOf(err) != "send less" {
		t.Errorf("kind %v, code %q, hint %q", fault.KindOf(err), fault.CodeOf(err), fault.HintOf(err))
	}
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error("the cause is lost")
	}
	if got, want := f.Error(), "read x: the file has 7 bytes: unexpected EOF"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// What nobody classified is tried again rather than given up, and blamed on us.
func TestUnknownErrors(t *testing.T) {
	if fault.KindOf(io.EOF) != fault.Retry || fault.CodeOf(io.EOF) != fault.CodeInternal || fault.HintOf(io.EOF) != "" || fault.As(io.EOF) != nil {
		t.Error("an error of elsewhere is taken for a fault")
	}
}
