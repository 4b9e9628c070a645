package main

import (
	"cmp"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

//go:embed peers/floor.c peers/sharp.cjs
var peers embed.FS

// tools are the programs as they were found or built; "" where one is missing.
type tools struct{ tintype, floor, sharp, imagor string }

func build(dir string) (tools, error) {
	t := tools{tintype: filepath.Join(dir, "imagingbench"), floor: filepath.Join(dir, "floor")}
	if out, err := exec.Command("go", "build", "-o", t.tintype, "./internal/imaging/imagingbench").CombinedOutput(); err != nil {
		return t, fmt.Errorf("build imagingbench: %w: %s", err, out)
	}
	source := filepath.Join(dir, "floor.c")
	if err := unpack("peers/floor.c", source); err != nil {
		return t, err
	}
	if out, err := exec.Command("cc", "-O2", "-o", t.floor, source, "-ljpeg").CombinedOutput(); err != nil {
		return t, fmt.Errorf("build the floor: %w: %s", err, out)
	}
	if path, err := exec.LookPath(cmp.Or(os.Getenv("BENCH_IMAGOR"), "imagor")); err == nil {
		t.imagor = path
	} else {
		fmt.Println("imagor does not take part: it is not installed, and BENCH_IMAGOR does not name it.")
	}
	home := os.Getenv("BENCH_SHARP")
	if home == "" {
		fmt.Println("sharp does not take part: BENCH_SHARP names no directory in which \"npm install sharp\" was run.")
		return t, nil
	}
	t.sharp = filepath.Join(dir, "sharp.cjs")
	return t, unpack("peers/sharp.cjs", t.sharp)
}

func unpack(name, path string) error {
	b, err := peers.ReadFile(name)
	if err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o600)
}

// program is one way to process a scene.
type program struct {
	name  string
	group string // programs of a group are arrangements of one; the best of them counts
	args  []string
	env   []string
	serve *imagor // instead of args: a server
}

// scene is a picture, what is to be made of it, and the programs that do it.
type scene struct {
	title   string
	file    string
	recipe  string
	threads int
	wall    bool // what counts is how long it takes
	goals   []goal
}

// goal is a bound for the ratio of Tintype to another.
type goal struct {
	to   string
	most float64
	peak bool // of peak memory
}

func scenes(p pictures) []scene {
	return []scene{
		{"12 MP JPEG, tint, three outputs", p.jpeg12, "tint", 1, false, []goal{{"floor", 1.5, false}, {"sharp", 0.35, false}, {"sharp", 1, true}}},
		{"12 MP JPEG, no tint, three outputs", p.jpeg12, "plain", 1, false, []goal{{"sharp", 0.6, false}}},
		{"24 MP JPEG, tint, three outputs", p.jpeg24, "tint", 1, false, []goal{{"floor", 1.5, false}, {"sharp", 0.35, false}, {"sharp", 1, true}}},
		{"24 MP JPEG, no tint, three outputs", p.jpeg24, "plain", 1, false, []goal{{"sharp", 0.6, false}, {"sharp", 1, true}}},
		{"12 MP PNG, tint, three JPEG outputs", p.png12, "tint", 1, false, []goal{{"sharp", 0.6, false}}},
		{"12 MP JPEG, tint, latency with two threads", p.jpeg12, "tint", 2, true, []goal{{"sharp", 0.4, false}}},
	}
}

func (t tools) programs(s scene, images int) []program {
	n, threads := strconv.Itoa(images), strconv.Itoa(s.threads)
	own := func(engine string) []string {
		return []string{t.tintype, "-in", s.file, "-recipe", s.recipe, "-engine", engine, "-threads", threads, "-n", n}
	}
	list := []program{
		{"Tintype, fused", "fused", own("fused"), nil, nil},
		{"Tintype, libvips", "libvips", own("libvips"), nil, nil},
	}
	if strings.HasSuffix(s.file, ".jpg") {
		list = append(list, program{"floor: libjpeg, full size alone", "floor", []string{t.floor, s.file, n}, nil, nil})
	}
	if t.imagor != "" && s.recipe == "plain" {
		list = append(list, program{"imagor, each output by itself", "imagor", nil, nil, &imagor{t.imagor, s.file, images}})
	}
	if t.sharp == "" {
		return list
	}
	tints := []string{"tint", "recomb"}
	if s.recipe == "plain" {
		tints = []string{"none"}
	}
	for _, tint := range tints {
		for _, layout := range []string{"separate", "together", "chained", "memory"} {
			list = append(list, program{"sharp, " + layout + ", " + tint, "sharp",
				[]string{"node", t.sharp, s.file, n, threads, tint, layout},
				[]string{"NODE_PATH=" + filepath.Join(os.Getenv("BENCH_SHARP"), "node_modules")}, nil})
		}
	}
	return list
}

// sample is what one turn of a program has cost.
type sample struct {
	CPU  float64 `json:"cpuMs"`
	Wall float64 `json:"wallMs"`
	Peak float64 `json:"peakMb"` // of the process' memory
}

func (p program) run() (sample, error) {
	if p.serve != nil {
		s, err := p.serve.run()
		if err != nil {
			return s, fmt.Errorf("run %s: %w", p.name, err)
		}
		return s, nil
	}
	cmd := exec.Command(p.args[0], p.args[1:]...)
	cmd.Env = append(os.Environ(), p.env...)
	out, err := cmd.Output()
	var s sample
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		return s, fmt.Errorf("run %s: %w", p.name, err)
	}
	if err := json.Unmarshal(out, &s); err != nil {
		return s, fmt.Errorf("run %s: %w: %s", p.name, err, out)
	}
	return s, nil
}

// median of each figure by itself.
func median(all []sample) sample {
	of := func(f func(sample) float64) float64 {
		v := make([]float64, len(all))
		for i, s := range all {
			v[i] = f(s)
		}
		slices.Sort(v)
		return v[len(v)/2]
	}
	return sample{of(func(s sample) float64 { return s.CPU }), of(func(s sample) float64 { return s.Wall }), of(func(s sample) float64 { return s.Peak })}
}
