package web

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Both drawings of both architectures: every station within the drawing, none upon another,
// text within its station, every arrow's ends at stations.
func TestFlowIsDrawnWhole(t *testing.T) {
	long := strings.Repeat("name-of-sixty-letters-", 3)
	for name, f := range map[string]flow{
		"decoupled": decoupledFlow(Names{}), "coupled": coupledFlow(Names{}),
		"long names": decoupledFlow(Names{Uploads: long, Results: long, Queue: long, DeadLetters: long, UploadTopic: long, CompletionTopic: long}),
	} {
		for _, d := range f.draw(nil, nil) {
			t.Run(name+" "+d.Class, func(t *testing.T) {
				if len(d.Arrows) < len(d.Stations)-1 {
					t.Errorf("%d arrows among %d stations", len(d.Arrows), len(d.Stations))
				}
				for i, s := range d.Stations {
					if s.Box.X < 0 || s.Box.Y < 0 || s.Right > d.Width || s.Bottom > d.Height {
						t.Errorf("%s is at %+v, outside of %d×%d", s.Key, s.Box, d.Width, d.Height)
					}
					for _, other := range d.Stations[:i] {
						if s.Box.X < other.Right && other.Box.X < s.Right && s.Box.Y < other.Bottom && other.Box.Y < s.Bottom {
							t.Errorf("%s lies upon %s", s.Key, other.Key)
						}
					}
					last := max(s.TitleY, s.NameY)
					for _, l := range s.Lines {
						if l.Y <= last {
							t.Errorf("%s: lines upon each other: %+v", s.Key, s.Lines)
						}
						last = l.Y
					}
					if last+4 > s.Bottom || s.TitleY-12 < s.Box.Y {
						t.Errorf("%s: text from %d to %d in %+v", s.Key, s.TitleY, last, s.Box)
					}
					if n := len([]rune(s.Short)); n*charWidth > s.Box.W-inset {
						t.Errorf("%s: %q is too long for %+v", s.Key, s.Short, s.Box)
					}
				}
				for _, a := range d.Arrows {
					for _, n := range regexp.MustCompile(`\d+`).FindAllString(a.Path+a.Head, -1) {
						if v, err := strconv.Atoi(n); err != nil || v > max(d.Width, d.Height) {
							t.Errorf("arrow %+v leaves the drawing", a)
						}
					}
					if strings.Contains(a.Path, "-") {
						t.Errorf("arrow %+v leaves the drawing", a)
					}
				}
			})
		}
	}
}

func TestShorten(t *testing.T) {
	for _, c := range []struct {
		in   string
		max  int
		want string
	}{{"ImageApp", 12, "ImageApp"}, {"ImageApp-dlq", 8, "Imag…dlq"}, {"ünïcödé-név", 7, "ünïc…év"}} {
		if got := shorten(c.in, c.max); got != c.want {
			t.Errorf("shorten(%q, %d) = %q, want %q", c.in, c.max, got, c.want)
		}
	}
}

func TestParts(t *testing.T) {
	got := parts("oldest {oldest} of {waiting}")
	want := []linePart{{Text: "oldest "}, {Figure: "oldest"}, {Text: " of "}, {Figure: "waiting"}}
	if len(got) != len(want) {
		t.Fatalf("%+v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("part %d is %+v, want %+v", i, got[i], want[i])
		}
	}
}
