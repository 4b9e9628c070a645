package backfill

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

const (
	checkpointVersion = 1
	maxCheckpoint     = 1 << 16 // bytes
	maxKey            = 1024    // bytes; S3's limit
)

// Checkpoint is how far a run has come, as its file says.
type Checkpoint struct {
	Version   int       `json:"version"`
	Job       string    `json:"job"`
	Bucket    string    `json:"bucket"`
	Queue     string    `json:"queue"`
	Selection Selection `json:"selection"`
	Announce  bool      `json:"announce,omitempty"`
	After     string    `json:"after"` // form-encoded, as in S3's events: keys need not be text
	Counts    Counts    `json:"counts"`
	Updated   time.Time `json:"updated"`
}

// Key is the key up to which everything has been dealt with.
func (c *Checkpoint) Key() string {
	key, _ := url.QueryUnescape(c.After) // ReadCheckpoint has seen that it can be decoded
	return key
}

// Same reports whether two checkpoints are of the same undertaking.
func (c *Checkpoint) Same(d *Checkpoint) bool {
	a, err := json.Marshal(c.Selection)
	b, err2 := json.Marshal(d.Selection)
	return err == nil && err2 == nil && bytes.Equal(a, b) && c.Bucket == d.Bucket && c.Queue == d.Queue && c.Announce == d.Announce
}

// ReadCheckpoint reads a checkpoint's file. An error matches fs.ErrNotExist where there is none.
func ReadCheckpoint(path string) (*Checkpoint, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxCheckpoint+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	c, err := parseCheckpoint(text)
	if err != nil {
		return nil, fmt.Errorf("%s is not the state of a backfill: %w", path, err)
	}
	return c, nil
}

func parseCheckpoint(text []byte) (*Checkpoint, error) {
	if len(text) > maxCheckpoint {
		return nil, fmt.Errorf("it is longer than %d bytes", maxCheckpoint)
	}
	var c Checkpoint
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows it")
	}
	key, err := url.QueryUnescape(c.After)
	switch {
	case c.Version != checkpointVersion:
		return nil, fmt.Errorf("it has the version %d; known is %d", c.Version, checkpointVersion)
	case err != nil || len(key) > maxKey:
		return nil, errors.New("the key in it is none of S3's")
	case c.Job == "" || c.Bucket == "":
		return nil, errors.New("it does not say of which job or bucket")
	}
	return &c, nil
}

// Write puts a checkpoint in the place of the file: whole and on the disk, or not at all.
func (c *Checkpoint) Write(path, after string, counts Counts) error {
	c.Version, c.After, c.Counts, c.Updated = checkpointVersion, url.QueryEscape(after), counts, time.Now().UTC()
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+"-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // not there any more where all went well
	defer f.Close()
	if _, err = f.Write(append(text, '\n')); err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = f.Close()
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return err
	}
	return syncDir(dir)
}

// RemoveCheckpoint removes the file of a run that has come to its end.
func RemoveCheckpoint(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes a change of names durable. Not every file system can.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	_ = d.Sync()
	return nil
}
