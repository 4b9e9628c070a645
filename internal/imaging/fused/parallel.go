package fused

// #include "fused.h"
import "C"

import (
	"context"
)

// stripsAhead is how many strips the decoder may be ahead of the chain.
const stripsAhead = 4

// streamParallel is stream with the decoder in a goroutine of its own: an image is done
// sooner, for a little more work.
func (d *decoder) streamParallel(ctx context.Context, push func(*C.tf_planes) error) error {
	free, full := make(chan *C.tf_planes, stripsAhead), make(chan *C.tf_planes, stripsAhead)
	var strips []*C.tf_planes
	defer func() {
		for _, p := range strips {
			freePlanes(p)
		}
	}()
	for range stripsAhead {
		p, err := d.planes(ctx, rowsParallel)
		if err != nil {
			return err
		}
		strips = append(strips, p)
		free <- p
	}
	ended := make(chan error, 1)
	go func() {
		defer close(full)
		for left := d.stored.height; left > 0; {
			p, ok := <-free
			if !ok { // the chain has failed
				ended <- nil
				return
			}
			if err := failed(ctx, C.tf_in_rows(d.c, p, 0, rowsParallel)); err != nil {
				ended <- err
				return
			}
			left -= int(p.rows)
			full <- p
		}
		ended <- nil
	}()
	var err error
	for p := range full {
		if err == nil {
			err = push(p)
			if err != nil {
				close(free)
			}
		}
		if err == nil {
			free <- p
		}
	}
	if e := <-ended; err == nil {
		err = e
	}
	return err
}
