// Command imaging measures what an image costs, beside others, on this machine and in this
// run: the floor (libjpeg decoding and encoding the full size alone), Tintype's fused engine,
// Tintype's libvips engine, sharp in each of its arrangements, and imagor.
//
//	go run ./bench/imaging
//
// Each program is a process of its own that works on the same file several times; they take
// turns. Printed are medians of the processor time per image (user and system, all threads,
// without start-up), of the time that an image takes with two threads, and of the process'
// peak memory. sharp takes part where node finds it: in the directory that BENCH_SHARP names
// (one in which "npm install sharp" was run); imagor where it is on the PATH or BENCH_IMAGOR
// names it.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	photos := flag.String("photos", "internal/testimages/photos", "directory of the photographs that pictures are made of")
	rounds := flag.Int("rounds", 5, "turns of each program")
	images := flag.Int("images", 3, "images in each turn")
	dir := flag.String("dir", "", "directory for pictures and programs; a temporary one if empty")
	flag.Parse()
	if err := run(*photos, *dir, *rounds, *images); err != nil {
		fmt.Fprintln(os.Stderr, "bench/imaging:", err)
		os.Exit(1)
	}
}

func run(photos, dir string, rounds, images int) error {
	if dir == "" {
		d, err := os.MkdirTemp("", "tintype-bench-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(d) //nolint:errcheck // it is a temporary directory
		dir = d
	}
	pics, err := makePictures(photos, dir)
	if err != nil {
		return err
	}
	tools, err := build(dir)
	if err != nil {
		return err
	}
	for _, s := range scenes(pics) {
		fmt.Printf("\n## %s\n\n", s.title)
		results := measure(tools, s, rounds, images)
		if err := report(s, results); err != nil {
			return err
		}
	}
	return nil
}
