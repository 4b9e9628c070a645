package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// patience bounds how long a process may take to be ready or to end.
const patience = 60 * time.Second

// process is one that was started here.
type process struct {
	name  string
	cmd   *exec.Cmd
	log   string // file that it prints to
	ended chan struct{}
}

// launch starts a program that prints to a file in dir.
func launch(dir, name string, env []string, path string, args ...string) (*process, error) {
	log, err := os.CreateTemp(dir, strings.ReplaceAll(name, " ", "-")+"-*.log")
	if err != nil {
		return nil, err
	}
	defer log.Close() // the process has its own
	p := &process{name: name, cmd: exec.Command(path, args...), log: log.Name(), ended: make(chan struct{})}
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = env, log, log
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w: is it built? (`make build`)", name, err)
	}
	go func() {
		_ = p.cmd.Wait() // how it ended is in its log
		close(p.ended)
	}()
	return p, nil
}

// ready waits until a URL answers 200.
func (p *process) ready(ctx context.Context, url string) error {
	return p.until(ctx, func() bool {
		resp, err := http.Get(url)
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// says waits until a process has printed something.
func (p *process) says(ctx context.Context, what string) error {
	return p.until(ctx, func() bool {
		b, err := os.ReadFile(p.log)
		return err == nil && bytes.Contains(b, []byte(what))
	})
}

func (p *process) until(ctx context.Context, ok func() bool) error {
	deadline := time.After(patience)
	for !ok() {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-p.ended:
			return fmt.Errorf("%s ended while it started:\n%s", p.name, p.tail())
		case <-deadline:
			return fmt.Errorf("%s is not ready:\n%s", p.name, p.tail())
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// tail is the end of what a process has printed.
func (p *process) tail() string {
	b, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-2000):])
}

// stop asks a process to end in order, and sees that it does.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-p.ended:
	case <-time.After(patience):
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
}

func stopAll(all []*process) {
	for _, p := range all {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
	}
	for _, p := range all {
		p.stop()
	}
}

// pids are those of the processes and all that they have started.
func pids(all []*process) (list []int) {
	want := map[int]bool{}
	for _, p := range all {
		want[p.cmd.Process.Pid] = true
	}
	parents := map[int]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is well-formed
	for _, path := range stats {
		if f := stat(path); f != nil {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			parents[pid], _ = strconv.Atoi(f[1])
		}
	}
	for pid := range parents {
		for up := pid; up > 1; up = parents[up] {
			if want[up] {
				list = append(list, pid)
				break
			}
		}
	}
	return list
}

// stat is a process' line in /proc behind the command's name: proc(5), from field 3 on.
func stat(path string) []string {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil // it has ended
	}
	return strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
}

// cpu is the processor time, user and system, of processes and all their descendants, also
// of those that have ended, in seconds. The kernel counts in ticks of 10 ms.
func cpu(all []*process) float64 { return ticks(pids(all), 4) / 100 }

// parentCPU is that of the processes alone, without their descendants.
func parentCPU(all []*process) float64 {
	var own []int
	for _, p := range all {
		own = append(own, p.cmd.Process.Pid)
	}
	return ticks(own, 2) / 100
}

// ticks sums the first of the fields 14 to 17: user, system, and those of ended children.
func ticks(pids []int, fields int) (sum float64) {
	for _, pid := range pids {
		f := stat(fmt.Sprintf("/proc/%d/stat", pid))
		for i := 0; f != nil && i < fields; i++ {
			n, _ := strconv.Atoi(f[11+i])
			sum += float64(n)
		}
	}
	return sum
}

// resident is the memory of processes and their descendants, MB; what they share counts once
// for each.
func resident(all []*process) float64 { return memoryOf(all, "status", "VmRSS:") }

// proportional is the same with what is shared divided among those who share it.
func proportional(all []*process) float64 { return memoryOf(all, "smaps_rollup", "Pss:") }

func memoryOf(all []*process, file, field string) float64 {
	kb := 0
	for _, pid := range pids(all) {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(string(b), field)
		var n int
		if _, err := fmt.Sscan(rest, &n); err == nil {
			kb += n
		}
	}
	return float64(kb) / 1024
}

// watchPeak notes the most memory that processes have until stop is called.
func watchPeak(all []*process) (stop func() float64) {
	done, peak := make(chan struct{}), 0.0
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(50 * time.Millisecond):
				peak = max(peak, resident(all))
			}
		}
	})
	return func() float64 {
		close(done)
		wg.Wait()
		return peak
	}
}
