package main

import (
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
)

// plainServer is the least that can serve objects over HTTP: net/http's file server, and
// for PUT a file written and synced. It verifies, hashes and records nothing. What it
// takes is what the protocol and the client take, whoever serves them.
func plainServer(addr, dir string) error {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	files := http.FileServer(http.Dir(dir))
	return http.Serve(ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPut {
			files.ServeHTTP(w, r)
			return
		}
		path := filepath.Join(dir, filepath.FromSlash(filepath.Clean("/"+r.URL.Path)))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		if err := writeSynced(path, func(f *os.File) error {
			_, err := io.CopyBuffer(struct{ io.Writer }{f}, r.Body, make([]byte, 256<<10))
			return err
		}); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}))
}

// plainKind is this program again, serving files.
func plainKind() (kind, error) {
	self, err := os.Executable()
	return kind{"net/http", "synced", func(port int, dir string) *exec.Cmd {
		return exec.Command(self, "-plain", loopback(port), "-dir", dir)
	}}, err
}
