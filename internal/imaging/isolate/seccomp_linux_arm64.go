package isolate

import "golang.org/x/sys/unix"

const auditArch = unix.AUDIT_ARCH_AARCH64

var allowedHere, lookupsHere []uint32

func openHere(uint32) []unix.SockFilter { return nil } // there is openat alone
