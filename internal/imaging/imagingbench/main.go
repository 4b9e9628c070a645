// Command imagingbench processes one image again and again and says what that costs: what
// bench/imaging runs beside other programs. It is no part of the program that users have.
//
//	imagingbench -in photo.jpg -recipe tint -n 5 [-engine libvips] [-threads 2] [-out DIR]
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/tintype/tintype/internal/imaging"
	"github.com/tintype/tintype/internal/recipe"
	_ "github.com/tintype/tintype/internal/timerslack" // as the program has it
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "imagingbench:", err)
		os.Exit(1)
	}
}

func run() error {
	in := flag.String("in", "", "image file")
	name := flag.String("recipe", "tint", "built-in recipe; \"name=value\" pairs behind it are parameters; \"plain\" is tint without its tint")
	engine := flag.String("engine", "fused", "fused or libvips")
	threads := flag.Int("threads", 1, "threads for one image")
	n := flag.Int("n", 5, "images that count, after one that does not")
	out := flag.String("out", "", "directory for the outputs")
	flag.Parse()

	src, err := os.ReadFile(*in)
	if err != nil {
		return err
	}
	job, err := resolve(*name, flag.Args())
	if err != nil {
		return err
	}
	e, err := imaging.New(imaging.Options{Concurrency: *threads, LibvipsOnly: *engine == "libvips"})
	if err != nil {
		return err
	}
	defer e.Close()
	var p *imaging.Picture
	var wall, cpu time.Duration
	for i := range *n + 1 {
		start, before := time.Now(), cpuTime()
		if p, err = e.Process(context.Background(), imaging.Request{Source: src, Job: job}); err != nil {
			return err
		}
		if i > 0 {
			wall, cpu = wall+time.Since(start), cpu+cpuTime()-before
		}
	}
	for _, o := range p.Outputs {
		if *out == "" {
			break
		}
		if err := os.WriteFile(filepath.Join(*out, o.Name+"."+o.Ext), o.Bytes, 0o600); err != nil {
			return err
		}
	}
	per := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 / float64(max(1, *n)) }
	return json.NewEncoder(os.Stdout).Encode(map[string]float64{"cpuMs": per(cpu), "wallMs": per(wall), "peakMb": peak()})
}

// resolve makes every output a JPEG, as the peers do.
func resolve(name string, args []string) (*recipe.Job, error) {
	raw := make(map[string]string)
	for _, a := range args {
		k, v, _ := strings.Cut(a, "=")
		raw[k] = v
	}
	if name == "plain" {
		name, raw["strength"] = "tint", "0"
	}
	job, err := recipe.Builtin().Resolve(name, raw)
	if err != nil {
		return nil, err
	}
	for i := range job.Outputs {
		job.Outputs[i].Format = recipe.JPEG
	}
	return job, nil
}

// cpuTime is the processor time of this process so far, all threads.
func cpuTime() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// peak is the most memory that this process has had, MB; 0 where there is no /proc. (What
// getrusage says holds for the one that started it, too.)
func peak() float64 {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(b), "VmHWM:")
	var kb float64
	if _, err := fmt.Sscan(rest, &kb); err != nil {
		return 0
	}
	return kb / 1024
}
