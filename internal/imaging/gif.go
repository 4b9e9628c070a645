package imaging

// wholeGIF says whether a GIF ends where a block ends. libvips 8.14 takes a file that
// was cut within a frame for a shorter animation, whatever it is told to fail on. A
// missing trailer is no damage, nor is junk behind the last block. Format: GIF89a
// specification, https://www.w3.org/Graphics/GIF/spec-gif89a.txt.
func wholeGIF(b []byte) bool {
	at := 13 // signature and logical screen descriptor
	if len(b) < at {
		return false
	}
	at += colorTable(b[10])
	for images := 0; ; {
		if at >= len(b) {
			return at == len(b) && images > 0
		}
		switch b[at] {
		case 0x21: // extension: label, then sub-blocks
			at += 2
		case 0x2c: // image: descriptor, colours, code size, then sub-blocks
			if at+10 > len(b) {
				return false
			}
			at += 10 + colorTable(b[at+9]) + 1
			images++
		default: // the trailer, or junk
			return images > 0
		}
		for {
			if at >= len(b) {
				return false
			}
			n := int(b[at])
			at += 1 + n
			if n == 0 {
				break
			}
		}
	}
}

// colorTable is the size in bytes of the colour table that flags announce.
func colorTable(flags byte) int {
	if flags&0x80 == 0 {
		return 0
	}
	return 3 << (flags&7 + 1)
}
