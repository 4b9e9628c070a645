package console

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// maxForm bounds what a form may send, bytes: a message of 1 MiB, percent-encoded.
const maxForm = 4 << 20

// notes are what a page says after an action. Only their names are in addresses, so
// that nobody can make a page say anything else.
var notes = map[string]string{
	"sent":      "The message was sent.",
	"published": "The message was published.",
	"purged":    "The queue was purged.",
	"deleted":   "It was deleted.",
	"gone":      "It was gone already.",
	"moving":    "The messages are being moved.",
	"stopped":   "The move was cancelled.",
	"cleared":   "The mails were deleted.",
}

// actionFunc does something and returns the address of the page to go on with.
type actionFunc func(r *http.Request) (next string, err error)

// action serves a form: it answers with a redirection, so that loading the page again
// does nothing again.
func (c *Console) action(act actionFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if err := r.ParseForm(); err != nil {
			c.problem(w, r, &problem{http.StatusBadRequest, "The form could not be read, or is larger than " + size(maxForm) + ".", ""})
			return
		}
		next, err := act(r)
		if err != nil {
			c.fail(w, r, err)
			return
		}
		http.Redirect(w, r, next, http.StatusSeeOther)
	})
}

func queuePath(name, did string) string { return "/queues/" + url.PathEscape(name) + "?did=" + did }

// send sends a message to a queue.
func (c *Console) send(r *http.Request) (string, error) {
	name := r.PathValue("queue")
	in := map[string]any{"QueueUrl": c.queueURL(name), "MessageBody": newlines(r.PostFormValue("body"))}
	for parameter, field := range map[string]string{"MessageGroupId": "group", "MessageDeduplicationId": "deduplication"} {
		if v := strings.TrimSpace(r.PostFormValue(field)); v != "" {
			in[parameter] = v
		}
	}
	if v := strings.TrimSpace(r.PostFormValue("delay")); v != "" {
		seconds, err := strconv.Atoi(v)
		if err != nil {
			return "", &problem{http.StatusBadRequest, "The delay is not a number of seconds: " + v, ""}
		}
		in["DelaySeconds"] = seconds
	}
	list, err := attributesOf(r.PostFormValue("attributes"))
	if err != nil {
		return "", err
	}
	if len(list) > 0 {
		attributes := map[string]any{}
		for _, a := range list {
			attributes[a.Name] = map[string]string{"DataType": "String", "StringValue": a.Value}
		}
		in["MessageAttributes"] = attributes
	}
	return queuePath(name, "sent"), c.callSQS(r.Context(), "SendMessage", in, nil)
}

func (c *Console) purge(r *http.Request) (string, error) {
	name := r.PathValue("queue")
	return queuePath(name, "purged"), c.callSQS(r.Context(), "PurgeQueue", map[string]any{"QueueUrl": c.queueURL(name)}, nil)
}

// deleteMessage deletes a message that a person saw.
func (c *Console) deleteMessage(r *http.Request) (string, error) {
	name := r.PathValue("queue")
	seq, err := strconv.ParseInt(r.PathValue("seq"), 10, 64)
	if err != nil {
		return "", notHere("There is no such message.")
	}
	there, err := c.opts.SQS.DeleteSeen(r.Context(), name, seq)
	if !there {
		return queuePath(name, "gone"), err
	}
	return queuePath(name, "deleted"), err
}

// publish publishes a message to a topic.
func (c *Console) publish(r *http.Request) (string, error) {
	name := r.PathValue("topic")
	in := url.Values{"TopicArn": {c.opts.SNS.TopicARN(name)}, "Message": {newlines(r.PostFormValue("body"))}}
	for parameter, field := range map[string]string{"Subject": "subject", "MessageGroupId": "group", "MessageDeduplicationId": "deduplication"} {
		if v := strings.TrimSpace(r.PostFormValue(field)); v != "" {
			in.Set(parameter, v)
		}
	}
	list, err := attributesOf(r.PostFormValue("attributes"))
	if err != nil {
		return "", err
	}
	for i, a := range list {
		prefix := fmt.Sprintf("MessageAttributes.entry.%d.", i+1)
		in.Set(prefix+"Name", a.Name)
		in.Set(prefix+"Value.DataType", "String")
		in.Set(prefix+"Value.StringValue", a.Value)
	}
	return "/topics/" + url.PathEscape(name) + "?did=published", c.callSNS(r.Context(), "Publish", in)
}

func (c *Console) deleteMail(r *http.Request) (string, error) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return "", notHere("There is no such mail.")
	}
	return "/inbox?did=deleted", c.opts.Mail.Delete(r.Context(), id)
}

// clearInbox deletes the mails that were there when the page was made; what came in
// since stays.
func (c *Console) clearInbox(r *http.Request) (string, error) {
	last, err := strconv.ParseInt(r.PostFormValue("last"), 10, 64)
	if err != nil || last <= 0 {
		return "", &problem{http.StatusBadRequest, "The form does not say which mails.", "Open the inbox and try again."}
	}
	_, err = c.opts.Mail.Clear(r.Context(), last)
	return "/inbox?did=cleared", err
}

// newlines undoes what browsers do to the ends of lines in forms.
func newlines(s string) string { return strings.ReplaceAll(s, "\r\n", "\n") }
