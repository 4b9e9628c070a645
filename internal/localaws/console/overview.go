package console

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/tintype/tintype/internal/localaws/mail"
	"github.com/tintype/tintype/internal/localaws/wire"
)

// overviewMails is how many of the latest mails the overview shows.
const overviewMails = 5

type overviewData struct {
	Flow                   picture
	Buckets, Objects       int64
	Bytes                  int64
	Topics, Queues         int
	Messages               int64
	Mails                  []mail.Mail
	Account, Region, Empty string
}

func (c *Console) overview(r *http.Request) (view, error) {
	ctx := r.Context()
	d := &overviewData{Account: c.opts.Account, Region: c.opts.Region}
	v := view{name: "overview", page: page{Title: "Overview", Here: "overview"}, Data: d}
	var err error
	if d.Flow, err = c.flow(ctx); err != nil {
		return v, err
	}
	if d.Buckets, d.Objects, d.Bytes, err = c.opts.S3.Totals(ctx); err != nil {
		return v, err
	}
	if d.Topics, err = c.opts.SNS.CountTopics(ctx); err != nil {
		return v, err
	}
	if d.Queues, d.Messages, err = c.opts.SQS.Totals(ctx); err != nil {
		return v, err
	}
	d.Mails, err = c.opts.Mail.List(ctx, 0, overviewMails)
	return v, err
}

// isGone tells whether a queue or topic does not exist.
func isGone(err error) bool {
	var e *wire.Error
	return errors.As(err, &e) && (e.Code == "QueueDoesNotExist" || e.Code == "NotFound")
}

func times(n int64) string {
	if n == 1 {
		return "after 1 receive"
	}
	return fmt.Sprintf("after %d receives", n)
}
