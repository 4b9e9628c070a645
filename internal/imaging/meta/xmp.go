package meta

import (
	"bytes"
	"encoding/xml"
	"strings"
)

const (
	mostXMP   = 1 << 20
	mostDepth = 64

	nsDC        = "http://purl.org/dc/elements/1.1/"
	nsRights    = "http://ns.adobe.com/xap/1.0/rights/"
	nsPhotoshop = "http://ns.adobe.com/photoshop/1.0/"
	nsRDF       = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
)

// readXMP reads rights, creators and credit of an XMP packet: properties that are
// elements, with a list in them or without, or attributes of a description.
func readXMP(b []byte) credits {
	var c credits
	if len(b) > mostXMP {
		return c
	}
	field := func(n xml.Name) *string {
		switch n {
		case xml.Name{Space: nsDC, Local: "rights"}:
			return &c.copyright
		case xml.Name{Space: nsDC, Local: "creator"}:
			return &c.artist
		case xml.Name{Space: nsPhotoshop, Local: "Credit"}:
			return &c.credit
		case xml.Name{Space: nsRights, Local: "UsageTerms"}:
			return &c.terms
		case xml.Name{Space: nsRights, Local: "WebStatement"}:
			return &c.web
		}
		return nil
	}
	dec := xml.NewDecoder(bytes.NewReader(b))
	var into *string // the property within which the reader stands
	var items []string
	var item strings.Builder
	for depth, at := 0, 0; depth < mostDepth; {
		tok, err := dec.Token()
		if err != nil {
			break
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			depth++
			item.Reset()
			for _, a := range tok.Attr {
				if to := field(a.Name); to != nil && *to == "" && tok.Name.Space == nsRDF && tok.Name.Local == "Description" {
					*to = text([]byte(a.Value))
				}
			}
			if to := field(tok.Name); to != nil && into == nil {
				into, at, items = to, depth, nil
			}
		case xml.CharData:
			if into != nil && item.Len() < mostText {
				item.Write(tok)
			}
		case xml.EndElement:
			if s := text([]byte(item.String())); into != nil && s != "" && len(items) < 20 {
				items = append(items, s)
			}
			item.Reset()
			if into != nil && depth == at {
				if *into == "" && len(items) > 0 {
					if into == &c.artist {
						*into = text([]byte(strings.Join(items, "; ")))
					} else {
						*into = items[0] // of several languages, the default
					}
				}
				into = nil
			}
			depth--
		}
	}
	return c
}

// writeXMP writes a packet, or nothing where there is nothing to be said.
func writeXMP(c credits) []byte {
	if c == (credits{}) {
		return nil
	}
	var b bytes.Buffer
	property := func(open, value, end string) {
		if value == "" {
			return
		}
		b.WriteString(open)
		if err := xml.EscapeText(&b, []byte(value)); err != nil {
			panic(err) // a bytes.Buffer takes everything
		}
		b.WriteString(end)
	}
	const alt, seq = `<rdf:Alt><rdf:li xml:lang="x-default">`, "<rdf:Seq><rdf:li>"
	b.WriteString("<?xpacket begin=\"\ufeff\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>" +
		`<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="` + nsRDF + `"><rdf:Description rdf:about=""` +
		` xmlns:dc="` + nsDC + `" xmlns:photoshop="` + nsPhotoshop + `" xmlns:xmpRights="` + nsRights + `">`)
	property("<dc:rights>"+alt, c.copyright, "</rdf:li></rdf:Alt></dc:rights>")
	property("<dc:creator>"+seq, c.artist, "</rdf:li></rdf:Seq></dc:creator>")
	property("<photoshop:Credit>", c.credit, "</photoshop:Credit>")
	property("<xmpRights:UsageTerms>"+alt, c.terms, "</rdf:li></rdf:Alt></xmpRights:UsageTerms>")
	property("<xmpRights:WebStatement>", c.web, "</xmpRights:WebStatement>")
	b.WriteString(`</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="r"?>`)
	return b.Bytes()
}
