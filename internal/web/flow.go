package web

import (
	"fmt"
	"strings"
)

// Names are what the AWS resources are called in this deployment, for people to read.
// What is empty has the name that it has unless told otherwise.
type Names struct {
	Uploads, Results             string // buckets
	Queue, DeadLetters           string
	UploadTopic, CompletionTopic string
}

func (n Names) withDefaults() Names {
	or := func(name *string, usual string) {
		if *name == "" {
			*name = usual
		}
	}
	or(&n.Uploads, "tintype-uploads")
	or(&n.Results, "tintype-results")
	or(&n.Queue, "ImageApp")
	or(&n.DeadLetters, "ImageApp-dlq")
	or(&n.UploadTopic, "uploadnotification")
	or(&n.CompletionTopic, "processingnotification")
	return n
}

// station is one part of an architecture: where it stands in the wide and in the tall
// drawing, and what it says. {…} in its lines are figures by name, which scripts keep up to
// date.
type station struct {
	key   string // the same in both drawings; styles and scripts know it
	title string
	name  string // the resource's
	lines []string
	large bool // the first line is what one looks for
	href  string

	wide, tall box // a drawing without it has no height for it
}

// box is a rectangle in a drawing's own units.
type box struct{ X, Y, W, H int }

func (b box) right() int  { return b.X + b.W }
func (b box) bottom() int { return b.Y + b.H }
func (b box) midY() int   { return b.Y + b.H/2 }

// arrow leads from a station to another. What it carries is a name that scripts set in motion.
type arrow struct{ from, to, carries string }

// flow is an architecture, to be drawn.
type flow struct {
	stations     []station
	arrows       []arrow
	wideH, tallH int
}

// Units across both drawings, and where results go back up in the tall one.
const (
	wideWidth  = 1200
	tallWidth  = 344
	returnLane = 13
)

// decoupledFlow is the event-driven pipeline: once around, from the browser to the browser.
func decoupledFlow(n Names) flow {
	n = n.withDefaults()
	return flow{
		wideH: 424, tallH: 854,
		stations: []station{
			{key: "browser", title: "Browser", lines: []string{"{listeners} watching", "p50 {p50}", "p99 {p99}"},
				wide: box{8, 16, 140, 392}, tall: box{30, 8, 188, 92}},
			{key: "uploads", title: "S3 uploads", name: n.Uploads, lines: []string{"{arriving} / min arrive"},
				wide: box{220, 16, 166, 124}, tall: box{30, 128, 188, 70}},
			{key: "uploadnotification", title: "SNS topic", name: n.UploadTopic,
				wide: box{456, 16, 186, 124}, tall: box{30, 226, 188, 48}},
			{key: "queue", title: "SQS queue", name: n.Queue, lines: []string{"{waiting} wait", "{inFlight} in flight", "oldest {oldest}"}, large: true,
				wide: box{712, 16, 204, 124}, tall: box{30, 302, 188, 118}},
			{key: "deadletters", title: "Dead letters", name: n.DeadLetters, lines: []string{"{deadLetters}"}, large: true, href: "/deadletters",
				wide: box{712, 192, 204, 80}, tall: box{238, 318, 104, 86}},
			{key: "workers", title: "App tier", lines: []string{"{workers} workers", "{processes}", "{inWork} in work", "{taken} / min taken"}, large: true,
				wide: box{996, 16, 196, 392}, tall: box{30, 448, 188, 122}},
			{key: "results", title: "S3 results", name: n.Results, lines: []string{"{done} / min done", "{failed} / min failed"},
				wide: box{712, 312, 204, 96}, tall: box{30, 598, 188, 90}},
			{key: "processingnotification", title: "SNS topic", name: n.CompletionTopic,
				wide: box{456, 312, 186, 96}, tall: box{30, 716, 188, 48}},
			{key: "web", title: "Web tier", lines: []string{"{live}"},
				wide: box{220, 312, 166, 96}, tall: box{30, 792, 188, 54}},
			{key: "mail", title: "E-mail", name: "to subscribers",
				wide: box{456, 192, 186, 68}},
		},
		arrows: []arrow{
			{"browser", "uploads", "arriving"}, {"uploads", "uploadnotification", "arriving"}, {"uploadnotification", "queue", "arriving"},
			{"queue", "workers", "taken"}, {"queue", "deadletters", "dead"},
			{"workers", "results", "finished"}, {"results", "processingnotification", "finished"},
			{"processingnotification", "web", "finished"}, {"web", "browser", "finished"},
			{"uploadnotification", "mail", ""}, {"processingnotification", "mail", ""},
		},
	}
}

// coupledFlow is the baseline: each station waits for the next one.
func coupledFlow(n Names) flow {
	n = n.withDefaults()
	return flow{
		wideH: 184, tallH: 446,
		stations: []station{
			{key: "browser", title: "Browser", lines: []string{"waits for its result"},
				wide: box{8, 16, 200, 152}, tall: box{34, 8, 196, 54}},
			{key: "web", title: "Web server", name: "port 8008", lines: []string{"passes the upload on", "and waits"},
				wide: box{312, 16, 220, 152}, tall: box{34, 96, 196, 92}},
			{key: "workers", title: "Application server", name: "port 8009", lines: []string{"makes the picture", "while both wait"},
				wide: box{636, 16, 220, 152}, tall: box{34, 222, 196, 92}},
			{key: "results", title: "S3", name: n.Results, lines: []string{"{done} / min done", "{failed} / min failed"},
				wide: box{960, 16, 232, 152}, tall: box{34, 348, 196, 90}},
		},
		arrows: []arrow{{"browser", "web", "arriving"}, {"web", "workers", "arriving"}, {"workers", "results", "finished"}},
	}
}

// drawing is one layout of a flow, ready for the template.
type drawing struct {
	Class         string
	Width, Height int
	Stations      []drawnStation
	Arrows        []drawnArrow
}

type drawnStation struct {
	Key, Title, Name, Short, Href string
	State                         string // "bad", "wait" or "": as it should be
	Box                           box
	Right, Bottom                 int
	TextX, TitleY, NameY          int
	Lines                         []drawnLine
}

type drawnLine struct {
	Y     int
	Large bool
	Parts []linePart
}

// linePart is plain text, or a figure: Text is then its value.
type linePart struct{ Text, Figure string }

type drawnArrow struct{ Carries, Path, Head string }

// draw lays a flow out twice: from left to right and back for wide windows, from top to
// bottom for narrow ones. Figures and states are by name and by station.
func (f flow) draw(figures, states map[string]string) []drawing {
	drawings := []drawing{
		f.layOut("wide", wideWidth, f.wideH, func(s station) box { return s.wide }),
		f.layOut("tall", tallWidth, f.tallH, func(s station) box { return s.tall }),
	}
	for _, d := range drawings {
		for i := range d.Stations {
			s := &d.Stations[i]
			s.State = states[s.Key]
			for _, line := range s.Lines {
				for j := range line.Parts {
					if p := &line.Parts[j]; p.Figure != "" {
						p.Text = figures[p.Figure]
					}
				}
			}
		}
	}
	return drawings
}

func (f flow) layOut(class string, width, height int, place func(station) box) drawing {
	d := drawing{Class: class, Width: width, Height: height}
	boxes := map[string]box{}
	for _, s := range f.stations {
		if b := place(s); b.H > 0 {
			boxes[s.key] = b
			d.Stations = append(d.Stations, s.draw(b))
		}
	}
	for _, a := range f.arrows {
		from, ok := boxes[a.from]
		to, found := boxes[a.to]
		if ok && found {
			d.Arrows = append(d.Arrows, a.draw(from, to))
		}
	}
	return d
}

// Distances of text in a station, in the drawing's units.
const (
	inset    = 10
	lineStep = 20
	// charWidth is what a letter of a name takes at most, on average.
	charWidth = 7
)

// draw places a station's text in a box: in its middle where it is higher than the text.
func (s station) draw(b box) drawnStation {
	d := drawnStation{Key: s.key, Title: s.title, Name: s.name, Short: shorten(s.name, (b.W-2*inset)/charWidth), Href: s.href, Box: b, Right: b.right(), Bottom: b.bottom(), TextX: b.X + inset}
	y := 18
	place := func(step int) int { y += step; return y - step }
	d.TitleY = place(0)
	if s.name != "" {
		y += 16
		d.NameY = y
	}
	y += 4
	for i, line := range s.lines {
		large := s.large && i == 0
		y += lineStep
		if large {
			y += 8
		}
		d.Lines = append(d.Lines, drawnLine{Y: y, Large: large, Parts: parts(line)})
	}
	top := b.Y + max(0, (b.H-y-inset)/2)
	d.TitleY += top
	d.NameY += top
	for i := range d.Lines {
		d.Lines[i].Y += top
	}
	return d
}

// parts takes a line apart at its figures.
func parts(line string) []linePart {
	var p []linePart
	for line != "" {
		text, rest, found := strings.Cut(line, "{")
		if text != "" {
			p = append(p, linePart{Text: text})
		}
		if !found {
			break
		}
		name, after, _ := strings.Cut(rest, "}")
		p = append(p, linePart{Figure: name})
		line = after
	}
	return p
}

// shorten keeps both ends of a name that is longer than max letters.
func shorten(name string, max int) string {
	r := []rune(name)
	if len(r) <= max {
		return name
	}
	head := (max - 1) * 2 / 3
	return string(r[:head]) + "…" + string(r[len(r)-(max-1-head):])
}

// headLength is how far an arrow's head reaches, and half its breadth is two thirds of it.
const headLength = 9

// draw runs an arrow straight between two boxes, or, where a box is far back up, along the
// lane at the left.
func (a arrow) draw(from, to box) drawnArrow {
	d := drawnArrow{Carries: a.carries}
	overlap := min(from.right(), to.right()) > max(from.X, to.X) // one above the other
	x, y := (max(from.X, to.X)+min(from.right(), to.right()))/2, (max(from.Y, to.Y)+min(from.bottom(), to.bottom()))/2
	switch {
	case overlap && from.Y-to.bottom() > from.H*3: // all the way back
		d.Path = fmt.Sprintf("M%d %dH%dV%dH%d", from.X, from.midY(), returnLane, to.midY(), to.X-headLength)
		d.Head = head(to.X, to.midY(), 1, 0)
	case overlap && to.Y > from.Y:
		d.Path, d.Head = fmt.Sprintf("M%d %dV%d", x, from.bottom(), to.Y-headLength), head(x, to.Y, 0, 1)
	case overlap:
		d.Path, d.Head = fmt.Sprintf("M%d %dV%d", x, from.Y, to.bottom()+headLength), head(x, to.bottom(), 0, -1)
	case to.X > from.X:
		d.Path, d.Head = fmt.Sprintf("M%d %dH%d", from.right(), y, to.X-headLength), head(to.X, y, 1, 0)
	default:
		d.Path, d.Head = fmt.Sprintf("M%d %dH%d", from.X, y, to.right()+headLength), head(to.right(), y, -1, 0)
	}
	return d
}

// head is an arrow's head whose tip is at x, y, towards dx, dy.
func head(x, y, dx, dy int) string {
	const half = headLength * 2 / 3
	bx, by := x-dx*headLength, y-dy*headLength
	return fmt.Sprintf("M%d %dL%d %dL%d %dZ", x, y, bx-dy*half, by+dx*half, bx+dy*half, by-dx*half)
}
