// Package freeport finds ports of the loopback for programs that are told where to listen: those
// that the lab, benchmarks and tests start.
//
// The kernel's own choice for port 0 does not do for this. It is from the range of which outgoing
// connections get theirs, and on a machine with many of them one may have it before the program.
package freeport

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// The ports that are tried: below the ephemeral ranges of Linux (from 32768) and of IANA, BSD and
// macOS (from 49152), and away from the ports that people choose by hand.
const (
	first = 20_000
	count = 12_000
)

var given struct {
	sync.Mutex
	ports map[int]bool
}

// Addr is an address 127.0.0.1:port at which nothing listens now. No two calls in one process
// return the same one.
func Addr() (string, error) {
	given.Lock()
	defer given.Unlock()
	if given.ports == nil {
		given.ports = map[int]bool{}
	}
	// At random: other processes look for theirs at the same time.
	for range count {
		port := first + rand.IntN(count)
		if given.ports[port] {
			continue
		}
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		ln, err := net.Listen("tcp", addr)
		if err != nil {
			continue
		}
		given.ports[port] = true
		return addr, ln.Close()
	}
	return "", errors.New("no port of the loopback between 20000 and 32000 is free")
}
