package web

import "net/http"

// deadLettersView is what the page of dead letters shows before, and without, scripts.
type deadLettersView struct {
	Coupled bool
	Away    string // why they cannot be told
	Done    string // what became of a form
	Shown   string // how many there are
	Hide    bool   // the words for when there are none
	Letters []letterView
	Blank   letterView // the one that scripts fill
}

// letterView is one dead letter.
type letterView struct {
	ID, Name, Preview, Cause, Hint, Code, Facts, Tries, Body string
	Images                                                   []workView
	Attempts                                                 []string
}

func (s *Server) handleDeadLettersPage(w http.ResponseWriter, r *http.Request) {
	v := deadLettersView{Coupled: s.o.Mode == "coupled"}
	s.writeView(w, r, http.StatusOK, view{Page: "deadletters", Title: "Dead letters", Data: v})
}
