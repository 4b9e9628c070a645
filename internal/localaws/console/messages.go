package console

import (
	"net/http"
	"slices"
	"strconv"

	"github.com/tintype/tintype/internal/localaws/sqs"
)

type messageData struct {
	*sqs.MessageView
	Queue  string
	Layers []layer
}

func (c *Console) oneMessage(r *http.Request) (*sqs.MessageView, error) {
	gone := notHere("This message is not, or no longer, in the queue.")
	seq, err := strconv.ParseInt(r.PathValue("seq"), 10, 64)
	if err != nil {
		return nil, gone
	}
	m, err := c.opts.SQS.PeekMessage(r.Context(), r.PathValue("queue"), seq)
	if err == nil && m == nil {
		err = gone
	}
	return m, err
}

func (c *Console) message(r *http.Request) (view, error) {
	d := &messageData{Queue: r.PathValue("queue")}
	v := view{name: "message", page: page{Title: "Message", Here: "queues"}, Data: d}
	m, err := c.oneMessage(r)
	if err != nil {
		return v, err
	}
	d.MessageView, d.Layers = m, layers(m.Body)
	slices.Reverse(d.Layers) // what it is about comes first
	v.Title = "Message " + m.ID
	return v, nil
}

// Link is the page of the object.
func (o objectEvent) Link() string { return objectLink(o.Bucket, o.Key, o.Version) }

// messageBody gives a message's body as it is, to be saved.
func (c *Console) messageBody(w http.ResponseWriter, r *http.Request) {
	m, err := c.oneMessage(r)
	if err != nil {
		c.fail(w, r, err)
		return
	}
	h := w.Header()
	sealed(h)
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Content-Disposition", attachment(m.ID+".txt"))
	_, _ = w.Write([]byte(m.Body)) // a client that left cannot be told
}
