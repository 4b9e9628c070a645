package app

import (
	"context"
	"log/slog"

	"github.com/tintype/tintype/internal/config"
	"github.com/tintype/tintype/internal/deadletter"
	"github.com/tintype/tintype/internal/provision"
	"github.com/tintype/tintype/internal/queue"
	"github.com/tintype/tintype/internal/web"
)

// newDesk is where the dead letters of a deployment are dealt with; nil where it has no
// dead-letter queue.
func newDesk(d *deployment, res provision.Resources, log *slog.Logger) *deadletter.Desk {
	if res.DeadLetterQueueURL == "" {
		return nil
	}
	return &deadletter.Desk{
		Queue: queue.DeadLetters{Client: d.clients.SQS, URL: res.DeadLetterQueueURL, SourceURL: res.QueueURL},
		Store: d.store, UploadsBucket: d.spec.UploadsBucket, Logger: log,
	}
}

func webDeadLetters(d *deployment, res provision.Resources, log *slog.Logger) web.DeadLetters {
	if desk := newDesk(d, res, log); desk != nil {
		return desk
	}
	return nil
}

// queues is what the commands about queues work with.
type queues struct {
	d   *deployment
	res provision.Resources
	log *slog.Logger
}

func openQueues(ctx context.Context, cfg config.Config, out IO) (*queues, error) {
	log := quiet(out.Err)
	c, err := loadAWS(ctx, cfg, log)
	if err != nil {
		return nil, err
	}
	d, err := openDeployment(cfg, c)
	if err != nil {
		return nil, err
	}
	res, err := provision.Find(ctx, d.clients, d.spec)
	if err != nil {
		return nil, err
	}
	return &queues{d, res, log}, nil
}

// desk is an error where there is no dead-letter queue.
func (q *queues) desk() (*deadletter.Desk, error) {
	desk := newDesk(q.d, q.res, q.log)
	if desk == nil {
		return nil, refuse("`tintype provision` makes it", "there is no dead-letter queue %s", q.d.spec.DeadLetterQueue)
	}
	return desk, nil
}
