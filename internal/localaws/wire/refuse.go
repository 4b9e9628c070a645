package wire

import "net/http"

// Refuse answers e in the protocol that the request speaks, without running an
// operation: for callers that turn a request away before Serve (a bad signature, a
// body over the limit).
func (s *Service) Refuse(w http.ResponseWriter, r *http.Request, e *Error) {
	var p protocol = queryProtocol{}
	if isJSON(r) {
		p = jsonProtocol{}
	}
	id := UUID()
	w.Header().Set("x-amzn-RequestId", id)
	contentType, body := p.failure(s, e, id, w.Header())
	write(w, contentType, e.status(), body)
}
