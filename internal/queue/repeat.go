package queue

// holding reports whether a receipt handle is one of a lease that is held. A second delivery of
// a message has a handle of its own; the same one again is an answer that was repeated on
// its way, and what it gives out is in work here already. Taken twice, it would also come
// twice into one batch of deletes, which some endpoints refuse as a whole, for good.
func (e *Engine) holding(receipt string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for l := range e.leases {
		if l.receipt == receipt {
			return true
		}
	}
	return false
}
