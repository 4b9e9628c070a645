package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

const (
	objectSize    = 5_000_000
	objectClients = 4
)

// objects measures objects of 5 MB against files written and synced, and read, plainly
// by as many clients in the same directory's file system; in turns. The same client with
// a server that only writes and reads files shows how much of the difference is HTTP and
// the client's own work on the cores that both share.
func objects(ctx context.Context, o options) error {
	fmt.Printf("\n## Objects of %d bytes, %d clients\n\n", objectSize, objectClients)
	data := make([]byte, objectSize)
	rand.Read(data)
	s, err := start(ctx, tintype(o), filepath.Join(o.dir, "objects"))
	if err != nil {
		return err
	}
	defer s.kill()
	c := s.s3(objectClients)
	if _, err := c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("bench")}); err != nil {
		return err
	}
	k, err := plainKind()
	if err != nil {
		return err
	}
	bare, err := start(ctx, k, filepath.Join(o.dir, "http"))
	if err != nil {
		return err
	}
	defer bare.kill()
	cb := bare.s3(objectClients)
	// Few names, written over and over, bound the disk that is needed.
	name := func(i int64) string { return fmt.Sprintf("object-%02d", i%64) }
	put := func(c *s3.Client) func(i int64) error {
		return func(i int64) error {
			_, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("bench"), Key: aws.String(name(i)), Body: bytes.NewReader(data)})
			return err
		}
	}
	get := func(c *s3.Client) func(i int64) error {
		return func(i int64) error {
			out, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("bench"), Key: aws.String(name(i))})
			if err != nil {
				return err
			}
			return drained(out.Body)
		}
	}
	plain := filepath.Join(o.dir, "plain")
	if err := os.MkdirAll(plain, 0o700); err != nil {
		return err
	}
	ways := []struct {
		name string
		of   *server // whose processor time is counted
		do   func(i int64) error
		rate []float64
		cpu  []float64
	}{
		{name: "PUT", of: s, do: put(c)},
		{name: "write + sync", of: s, do: func(i int64) error {
			return writeSynced(filepath.Join(plain, name(i)), func(f *os.File) error { _, err := f.Write(data); return err })
		}},
		{name: "PUT to net/http, which writes and syncs", of: bare, do: put(cb)},
		{name: "GET", of: s, do: get(c)},
		{name: "read", of: s, do: func(i int64) error {
			f, err := os.Open(filepath.Join(plain, name(i)))
			if err != nil {
				return err
			}
			return drained(f)
		}},
		{name: "GET of net/http's files", of: bare, do: get(cb)},
	}
	for range o.rounds {
		for i := range ways {
			w := &ways[i]
			before, began := w.of.cpu(), time.Now()
			end := began.Add(o.round)
			var next, done atomic.Int64
			err := together(objectClients, func() error {
				for time.Now().Before(end) || next.Load() < 64 {
					if err := w.do(next.Add(1) - 1); err != nil {
						return err
					}
					done.Add(1)
				}
				return nil
			})
			if err != nil {
				return fmt.Errorf("%s: %w", w.name, err)
			}
			w.rate = append(w.rate, float64(done.Load())*objectSize/1e6/time.Since(began).Seconds())
			w.cpu = append(w.cpu, float64((w.of.cpu()-before).Microseconds())/1000/float64(done.Load()))
		}
	}
	fmt.Println("| | MB/s | server CPU ms/object | ratio |")
	fmt.Println("|---|---|---|---|")
	for i := 0; i < len(ways); i += 3 {
		ours, plain, bare := ways[i], ways[i+1], ways[i+2]
		fmt.Printf("| %s | %s | %s | %.2f of %s |\n", ours.name, spread(ours.rate), spread(ours.cpu), median(ours.rate)/median(plain.rate), plain.name)
		fmt.Printf("| %s | %s | | |\n", plain.name, spread(plain.rate))
		fmt.Printf("| %s | %s | %s | %.2f of %s |\n", bare.name, spread(bare.rate), spread(bare.cpu), median(bare.rate)/median(plain.rate), plain.name)
	}
	return nil
}

// writeSynced is what a careful program does to keep a file: write, sync, rename, sync
// the directory.
func writeSynced(path string, write func(*os.File) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), "new-")
	if err != nil {
		return err
	}
	if err := write(f); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func drained(r io.ReadCloser) error {
	defer r.Close()
	n, err := io.Copy(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{r})
	if err == nil && n != objectSize {
		err = fmt.Errorf("%d bytes came back", n)
	}
	return err
}
