package sqs

import (
	"context"
	"maps"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/tintype/tintype/internal/localaws/db"
	"github.com/tintype/tintype/internal/localaws/wire"
)

// maxTags is how many tags a queue may have:
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-queue-tags.html
const maxTags = 50

func (s *Service) tagQueue(ctx context.Context, _ *wire.Request, in *sqs.TagQueueInput) (*sqs.TagQueueOutput, error) {
	q, err := s.byURL(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if len(in.Tags) == 0 {
		return nil, missing("Tags")
	}
	return nil, s.edit(ctx, q, func(_ *db.Tx, row *queueRow) error {
		maps.Copy(row.tags, in.Tags)
		if len(row.tags) > maxTags {
			return invalid("Too many tags added for queue %s.", q.name)
		}
		return checkTags(in.Tags)
	})
}

func (s *Service) untagQueue(ctx context.Context, _ *wire.Request, in *sqs.UntagQueueInput) (*sqs.UntagQueueOutput, error) {
	q, err := s.byURL(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if len(in.TagKeys) == 0 {
		return nil, invalid("Tag keys must be between 1 and 128 characters in length.")
	}
	return nil, s.edit(ctx, q, func(_ *db.Tx, row *queueRow) error {
		for _, k := range in.TagKeys {
			delete(row.tags, k)
		}
		return nil
	})
}

func (s *Service) listQueueTags(_ context.Context, _ *wire.Request, in *sqs.ListQueueTagsInput) (*sqs.ListQueueTagsOutput, error) {
	q, err := s.byURL(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	out := &sqs.ListQueueTagsOutput{}
	if tags := q.cfg.Load().tags; len(tags) > 0 {
		out.Tags = tags
	}
	return out, nil
}

// checkTags refuses bad tags.
func checkTags(tags map[string]string) error {
	for k, v := range tags {
		if n := utf8.RuneCountInString(k); n < 1 || n > 128 {
			return invalid("Tag keys must be between 1 and 128 characters in length.")
		}
		if utf8.RuneCountInString(v) > 256 {
			return invalid("Tag values must be between 0 and 256 characters in length.")
		}
	}
	return nil
}
