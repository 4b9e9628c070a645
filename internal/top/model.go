package top

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/tintype/tintype/internal/deadletter"
)

// screen is what is shown.
type screen int

const (
	onOverview screen = iota
	onDetail
	onLetters
	onHelp
)

// order is how images are sorted.
type order int

const (
	byTime order = iota
	byStatus
	byTook
	byKey
	orders
)

func (o order) String() string { return [...]string{"newest", "status", "slowest", "key"}[o] }

// model is the state of the screen. It belongs to the program's loop.
type model struct {
	ctx    context.Context //nolint:containedctx // the program's own: of all looks
	source Source
	every  time.Duration
	look   look
	now    func() time.Time

	snap    Snapshot
	known   bool // snap is of a look
	err     error
	failing time.Time // since when err is there
	points  []Point
	images  []Image // as sorted

	busy       bool // a look is under way
	turn       int  // of the clock; older ticks do nothing
	paused     bool
	sort       order
	screen     screen
	selected   string // "app ID" or "image ID"
	offset     int    // of what is scrolled
	dead       *deadletter.List
	lettersErr error
}

type looked struct {
	snap Snapshot
	err  error
}

type lettersCame struct {
	list *deadletter.List
	err  error
}

type tick int

// Init begins with the first look.
func (m *model) Init() tea.Cmd { return m.ask() }

// ask looks at the pipeline, unless a look is under way.
func (m *model) ask() tea.Cmd {
	if m.busy {
		return nil
	}
	m.busy = true
	m.turn++
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(m.ctx, lookTimeout)
		defer cancel()
		s, err := m.source.Look(ctx)
		return looked{s, err}
	}
}

// next waits for the next look.
func (m *model) next() tea.Cmd {
	if m.paused {
		return nil
	}
	turn := m.turn
	return tea.Tick(m.every, func(time.Time) tea.Msg { return tick(turn) })
}

// take takes what a look has found.
func (m *model) take(l looked) {
	if l.err != nil {
		if m.err == nil {
			m.failing = m.now()
		}
		m.err = l.err
		return
	}
	m.err, m.snap, m.known = nil, l.snap, true
	switch s := l.snap; {
	case s.History != nil:
		m.points = append(m.points, s.History...)
	case s.Queue != nil:
		m.points = append(m.points, Point{s.Time, s.Queue.Waiting, s.DonePerMinute, s.FailedPerMinute, s.P99})
	}
	if n := len(m.points); n > maxPoints {
		m.points = slices.Clone(m.points[n-maxPoints:])
	}
	m.arrange()
}

func (m *model) arrange() {
	m.images = slices.Clone(m.snap.Images)
	slices.SortStableFunc(m.images, func(a, b Image) int {
		switch m.sort {
		case byStatus:
			// What wants a look comes first.
			rank := func(s string) int { return slices.Index([]string{"done", "queued", "processing", "failed"}, s) }
			return cmp.Compare(rank(b.Status), rank(a.Status))
		case byTook:
			return cmp.Compare(b.TotalMS, a.TotalMS)
		case byKey:
			return strings.Compare(a.Key, b.Key)
		default:
			return b.at().Compare(a.at())
		}
	})
}

// Update takes what has happened.
func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.look.width, m.look.height = msg.Width, msg.Height
	case tick:
		if int(msg) == m.turn && !m.paused {
			return m, m.ask()
		}
	case looked:
		m.busy = false
		m.take(msg)
		return m, m.next()
	case lettersCame:
		m.dead, m.lettersErr = msg.list, msg.err
	case tea.KeyPressMsg:
		return m, m.key(msg.String())
	}
	return m, nil
}

func (m *model) key(k string) tea.Cmd {
	switch k {
	case "q", "ctrl+c":
		return tea.Quit
	case "esc", "backspace", "left":
		m.show(onOverview)
	case "p", "space":
		if m.paused = !m.paused; !m.paused {
			return m.ask()
		}
	case "r":
		return m.ask()
	case "s":
		m.sort = (m.sort + 1) % orders
		m.arrange()
	case "?", "h":
		m.show(onHelp)
	case "d":
		if m.screen == onLetters {
			m.show(onOverview)
			return nil
		}
		m.show(onLetters)
		m.dead, m.lettersErr = nil, nil
		return func() tea.Msg {
			ctx, cancel := context.WithTimeout(m.ctx, 3*lookTimeout)
			defer cancel()
			list, err := m.source.DeadLetters(ctx, maxLetters)
			return lettersCame{list, err}
		}
	case "enter":
		if m.screen == onOverview && m.selected != "" {
			m.show(onDetail)
		}
	case "up", "k":
		m.move(-1)
	case "down", "j":
		m.move(1)
	case "pgup":
		m.move(-10)
	case "pgdown":
		m.move(10)
	case "home":
		m.move(-1 << 20)
	case "end":
		m.move(1 << 20)
	}
	return nil
}

func (m *model) show(s screen) { m.screen, m.offset = s, 0 }

// move goes through what can be chosen, or scrolls.
func (m *model) move(by int) {
	if m.screen != onOverview {
		m.offset = max(m.offset+by, 0)
		return
	}
	rows := append(m.appRows(m.look.width), m.imageRows(m.look.width)...)
	if len(rows) == 0 {
		return
	}
	at := slices.IndexFunc(rows, func(r row) bool { return r.id == m.selected })
	if at < 0 && by > 0 {
		by--
	}
	m.selected = rows[min(max(max(at, 0)+by, 0), len(rows)-1)].id
}

// lines are the screen's.
func (m *model) lines() []string {
	l := m.look
	var body []string
	keys := "q quit  p pause  s sort: " + m.sort.String() + "  ↑↓ choose  enter details  d dead letters  ? help"
	switch m.screen {
	case onDetail:
		body, keys = m.detail(l), "esc back  ↑↓ scroll  q quit"
	case onLetters:
		body, keys = m.letters(l), "esc back  ↑↓ scroll  q quit"
	case onHelp:
		body, keys = strings.Split(help, "\n"), "esc back  q quit"
	default:
		body = m.overview(l)
	}
	if m.screen != onOverview {
		body = append([]string{m.title(l), ""}, body...)
		if room := max(l.height-1, 1); len(body) > room {
			m.offset = min(m.offset, len(body)-room)
			body = append(body[:2:2], body[2+m.offset:]...)
		} else {
			m.offset = 0
		}
	}
	room := max(l.height-1, 0)
	if len(body) > room {
		body = body[:room]
	}
	for len(body) < room {
		body = append(body, "")
	}
	for i, b := range body { // narrower than anything was laid out for
		body[i] = ansi.Truncate(b, l.width, "")
	}
	if l.ascii {
		keys = strings.ReplaceAll(keys, "↑↓", "up/down")
	}
	return append(body, l.join(part{dim, keys}))
}

// View draws the screen.
func (m *model) View() tea.View {
	v := tea.NewView("")
	v.AltScreen = true
	if m.look.width > 0 && m.look.height > 0 {
		v.SetContent(strings.Join(m.lines(), "\n"))
	}
	return v
}
