package meta

import (
	"bytes"
	"encoding/binary"
	"strings"
)

// readIPTC reads by-lines, credit and copyright of IIM data sets (IPTC-NAA IIM 4.2,
// 1.6 and 6), as they are or within Photoshop's image resources.
func readIPTC(b []byte) credits {
	const photoshop = "Photoshop 3.0\x00"
	if bytes.HasPrefix(b, []byte(photoshop)) {
		b = resource(b[len(photoshop):], 0x0404)
	}
	var c credits
	var artists []string
	for len(b) >= 5 && b[0] == 0x1c {
		n := int(binary.BigEndian.Uint16(b[3:]))
		if n > 0x7fff || 5+n > len(b) { // an extended data set is no text of ours
			break
		}
		if b[1] == 2 { // the application record
			switch v := text(b[5 : 5+n]); b[2] {
			case 80:
				if v != "" && len(artists) < 20 {
					artists = append(artists, v)
				}
			case 110:
				c.credit = v
			case 116:
				c.copyright = v
			}
		}
		b = b[5+n:]
	}
	c.artist = text([]byte(strings.Join(artists, "; ")))
	return c
}

// resource finds one of Photoshop's image resources: signature, id, a name padded to an
// even length, a size, and that many bytes padded likewise.
func resource(b []byte, id uint16) []byte {
	for len(b) >= 12 && string(b[:4]) == "8BIM" {
		this := binary.BigEndian.Uint16(b[4:])
		at := 6 + (int(b[6])+2)&^1
		if at+4 > len(b) {
			return nil
		}
		n := int64(binary.BigEndian.Uint32(b[at:]))
		at += 4
		if int64(at)+n > int64(len(b)) {
			return nil
		}
		if this == id {
			return b[at : at+int(n)]
		}
		b = b[min(len(b), at+int(n+n%2)):]
	}
	return nil
}
