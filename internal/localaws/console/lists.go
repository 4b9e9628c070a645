package console

import (
	"net/http"
	"net/url"
)

// listLimit is how many lines a page of a list has.
const listLimit = 50

// list is a page of a list that can be filtered.
type list struct {
	Filter string // what names contain
	Next   string // address of the next page; empty: this is the last
	First  string // address of the first page; empty: this is it
	Lines  any
}

// place reads where in a list a page begins, and makes the addresses of others.
func place(r *http.Request) (l list, after string) {
	q := r.URL.Query()
	l.Filter, after = q.Get("q"), q.Get("after")
	if after != "" {
		l.First = address(r, "after", "")
	}
	return l, after
}

// address is the page's own address with another value of one parameter; empty: without it.
func address(r *http.Request, parameter, value string) string {
	q := r.URL.Query()
	q.Del("did")
	if q.Del(parameter); value != "" {
		q.Set(parameter, value)
	}
	return (&url.URL{Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: q.Encode()}).String()
}
