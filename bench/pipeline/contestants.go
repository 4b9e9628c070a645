package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"golang.org/x/sync/errgroup"

	"github.com/tintype/tintype/internal/freeport"
)

type (
	sqsAttribute = types.QueueAttributeName
	sqsEntry     = types.SendMessageBatchRequestEntry
)

// The contestants.
const (
	ours = "Tintype"
	node = "Node"
)

func (b *bench) contestants() []string {
	if b.node {
		return []string{ours, node}
	}
	return []string{ours}
}

// findNode reports whether the Node peer can run, and why not.
func findNode(dir string) (bool, error) {
	if _, err := exec.LookPath("node"); err != nil {
		return false, errors.New("there is no node")
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "sharp")); err != nil {
		return false, fmt.Errorf("\"npm ci\" was not run in %s", dir)
	}
	return true, nil
}

// apps starts n processes of a contestant's app tier against an endpoint. The workers of all
// processes together are as many as there are cores; Node has its own threads.
func (r *rig) apps(ctx context.Context, who, url string, n int) (all []*process, err error) {
	defer func() {
		if err != nil {
			stopAll(all)
			all = nil
		}
	}()
	for range n {
		var p *process
		switch who {
		case ours:
			var addr string
			if addr, err = freeport.Addr(); err != nil {
				return all, err
			}
			args := []string{"app", "--app-addr", addr, "--workers", strconv.Itoa(max(1, runtime.NumCPU()/n)), "--log-level", "warn"}
			if r.b.o.slots > 0 {
				args = append(args, "--slots", strconv.Itoa(r.b.o.slots))
			}
			if p, err = launch(r.dir, "app", awsEnv(url), r.b.o.tintype, args...); err == nil {
				all = append(all, p)
				err = p.ready(ctx, "http://"+addr+"/readyz")
			}
		case node:
			// As sharp's authors advise against fragmentation with glibc's allocator.
			env := append(awsEnv(url), "MALLOC_ARENA_MAX=2", "NODE_ENV=production", "NODE_NO_WARNINGS=1",
				"QUEUE_URL="+url+"/000000000000/ImageApp", "TOPIC_ARN="+r.topic, "RESULTS="+results)
			if p, err = launch(r.dir, "node", env, "node", filepath.Join(r.b.o.peers, "worker.js")); err == nil {
				all = append(all, p)
				err = p.says(ctx, "receiving")
			}
		}
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

// buildImaging builds the imaging package's own measuring program.
func buildImaging(ctx context.Context, dir string) (string, error) {
	path := filepath.Join(dir, "imagingbench")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", path, "./internal/imaging/imagingbench").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build imagingbench: %w: %s", err, out)
	}
	return path, nil
}

// limit is what the imaging package alone takes for n images on all cores at once:
// processor time per image in ms, and images per second.
func (b *bench) limit(ctx context.Context, file string, n int) (ms, rate float64, err error) {
	cores := runtime.NumCPU()
	type figures struct{ CPUMs, WallMs float64 }
	got := make([]figures, cores)
	g, ctx := errgroup.WithContext(ctx)
	for i := range got {
		g.Go(func() error {
			out, err := exec.CommandContext(ctx, b.o.imaging, "-in", file, "-n", strconv.Itoa(max(1, n/cores))).Output()
			if err != nil {
				return fmt.Errorf("imagingbench: %w", err)
			}
			return json.Unmarshal(out, &got[i])
		})
	}
	if err := g.Wait(); err != nil {
		return 0, 0, err
	}
	for _, f := range got {
		ms += f.CPUMs / float64(cores)
		rate += 1000 / f.WallMs
	}
	return ms, rate, nil
}
