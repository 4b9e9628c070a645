package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/tintype/tintype/internal/freeport"
)

// imagor is a server: it is started for a turn, asked for each output by itself, as its
// clients do, and killed. Its tints are no match for ours, so it takes part without.
type imagor struct {
	path, file string
	images     int
}

// outputs are the three of the plain recipe, in imagor's words.
var outputs = []string{"", "fit-in/1600x1600/", "fit-in/320x320/"}

func (i imagor) run() (s sample, err error) {
	addr, err := freeport.Addr()
	if err != nil {
		return s, err
	}
	host, port, _ := net.SplitHostPort(addr) // it is one that net made
	cmd := exec.Command(i.path, "-server-address", host, "-port", port, "-imagor-unsafe", "-file-loader-base-dir", filepath.Dir(i.file))
	cmd.Env = append(os.Environ(), "VIPS_CONCURRENCY=1")
	if err := cmd.Start(); err != nil {
		return s, err
	}
	defer func() {
		_ = cmd.Process.Kill() // it has served its turn
		_ = cmd.Wait()         // says that it was killed
	}()
	base := "http://" + addr + "/unsafe/"
	// The first image starts everything up; the server may not be there yet.
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if err = i.image(base); err == nil {
			break
		}
		if time.Now().After(end) {
			return s, err
		}
	}
	before, began := cpuOf(cmd.Process.Pid), time.Now()
	for range i.images {
		if err := i.image(base); err != nil {
			return s, err
		}
	}
	n := float64(i.images)
	return sample{
		CPU:  float64((cpuOf(cmd.Process.Pid) - before).Milliseconds()) / n,
		Wall: float64(time.Since(began).Milliseconds()) / n,
		Peak: peakOf(cmd.Process.Pid),
	}, nil
}

// image asks for the outputs of one image.
func (i imagor) image(base string) error {
	for _, o := range outputs {
		resp, err := http.Get(base + o + "filters:format(jpeg):quality(80):strip_exif()/" + filepath.Base(i.file))
		if err != nil {
			return err
		}
		n, err := io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if err == nil && (resp.StatusCode != http.StatusOK || n < 1000) {
			err = fmt.Errorf("imagor: %s, %d bytes", resp.Status, n)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// cpuOf is the processor time that a process has used, user and system: fields 14 and 15 of
// its stat, in ticks of 10 ms (proc(5)).
func cpuOf(pid int) time.Duration {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// peakOf is the most memory that a process ever had, MB.
func peakOf(pid int) float64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(b), "VmHWM:")
	kb, _ := strconv.ParseFloat(strings.Fields(after + " 0")[0], 64)
	return kb / 1024
}
