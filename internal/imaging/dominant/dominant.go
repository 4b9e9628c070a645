// Package dominant finds the colour that a picture has most of: what a page paints where
// the picture will be.
//
// Each channel is cut into 8 equal parts, so that colours fall into 512 cells; a pixel
// weighs as much as it is opaque. The heaviest block of 2 × 2 × 2 cells wins (blocks, so
// that a colour on the border of two cells does not lose to one that is not; of equal
// ones that of the darkest corner), and the answer is the mean of the pixels in it. So it
// is always near to colours that are there, which the mean of a whole picture is not.
// Pure Go; imports none of ours.
package dominant

import (
	"errors"
	"fmt"
)

// Color returns "#rrggbb" for 8-bit pixels of 3 bands (RGB) or 4 (RGB and alpha that is
// not multiplied in). A picture of which nothing is seen is white. A picture of some 100
// pixels a side serves as well as a larger one.
func Color(bands int, pix []byte) (string, error) {
	if bands != 3 && bands != 4 || len(pix) == 0 || len(pix)%bands != 0 {
		return "", errors.New("find dominant colour: the pixels are no RGB or RGBA")
	}
	const n = 8
	var cells [n][n][n]cell
	for ; len(pix) > 0; pix = pix[bands:] {
		w := uint64(255)
		if bands == 4 {
			w = uint64(pix[3])
		}
		cells[pix[0]/32][pix[1]/32][pix[2]/32].add(cell{w, [3]uint64{w * uint64(pix[0]), w * uint64(pix[1]), w * uint64(pix[2])}})
	}
	var best cell
	for r := range n - 1 {
		for g := range n - 1 {
			for b := range n - 1 {
				var block cell
				for i := range 8 {
					block.add(cells[r+i>>2][g+i>>1&1][b+i&1])
				}
				if block.weight > best.weight {
					best = block
				}
			}
		}
	}
	if best.weight == 0 {
		return "#ffffff", nil
	}
	var c [3]uint64
	for i := range c {
		c[i] = (best.sum[i] + best.weight/2) / best.weight
	}
	return fmt.Sprintf("#%02x%02x%02x", c[0], c[1], c[2]), nil
}

// cell is the pixels of like colours.
type cell struct {
	weight uint64
	sum    [3]uint64
}

func (c *cell) add(o cell) {
	c.weight += o.weight
	for i := range c.sum {
		c.sum[i] += o.sum[i]
	}
}
