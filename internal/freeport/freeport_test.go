package freeport

import (
	"net"
	"sync"
	"testing"
)

// Many callers at once get addresses of their own, and can listen there.
func TestAddr(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]bool{}
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() {
			addr, err := Addr()
			if err != nil {
				t.Error(err)
				return
			}
			ln, err := net.Listen("tcp", addr)
			if err != nil {
				t.Error(err)
				return
			}
			defer ln.Close()
			mu.Lock()
			defer mu.Unlock()
			if seen[addr] {
				t.Errorf("%s was given twice", addr)
			}
			seen[addr] = true
		})
	}
	wg.Wait()
}
