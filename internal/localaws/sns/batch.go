package sns

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/tintype/tintype/internal/localaws/db"
	"github.com/tintype/tintype/internal/localaws/wire"
)

const (
	maxBatch   = 10
	maxBatchID = 80 // characters of an entry's Id
)

// publishBatch publishes up to ten messages at once, in one transaction. An entry that
// is not valid fails by itself; but one with bad attributes makes the call fail, as does
// a batch of nothing valid: so AWS has it.
func (s *Service) publishBatch(ctx context.Context, r *wire.Request, in *sns.PublishBatchInput) (*sns.PublishBatchOutput, error) {
	topicARN, err := s.topicARN("TopicArn", in.TopicArn)
	if err != nil {
		return nil, err
	}
	t, subs, err := s.subscribers(topicARN)
	if err != nil {
		return nil, err
	}
	entries := in.PublishBatchRequestEntries
	if err := checkBatch(entries); err != nil {
		return nil, err
	}
	if err := s.authorizeOwner(t, r.Principal, "SNS:Publish"); err != nil {
		return nil, err
	}
	ready := make([]Publish, len(entries))
	failed := make([]error, len(entries))
	valid := 0
	for i := range entries {
		ready[i], failed[i] = s.entry(r, topicARN, &entries[i])
		if failed[i] == nil && isFIFO(topicARN) {
			_, failed[i] = t.dedup(ready[i].ready)
		}
		if failed[i] == nil {
			failed[i] = s.presign(t, subs, ready[i].ready)
		}
		var refused *wire.Error
		switch {
		case failed[i] == nil:
			valid++
		case errors.As(failed[i], &refused) && refused.Code == "ParameterValueInvalid":
			return nil, failed[i]
		}
	}
	if valid == 0 {
		return nil, failed[0]
	}
	out := &sns.PublishBatchOutput{}
	err = s.db.Update(ctx, func(tx *db.Tx) error {
		for i := range entries {
			e := &entries[i]
			told, err := receipt{}, failed[i]
			if err == nil {
				told, err = s.publishTx(tx, topicARN, ready[i], r.Principal)
			}
			var refused *wire.Error
			switch {
			case err == nil:
				out.Successful = append(out.Successful, types.PublishBatchResultEntry{Id: e.Id, MessageId: &told.id, SequenceNumber: orNil(told.sequence)})
			case errors.As(err, &refused):
				out.Failed = append(out.Failed, types.BatchResultErrorEntry{
					Id: e.Id, Code: &refused.Code, Message: &refused.Message, SenderFault: refused.Status < http.StatusInternalServerError,
				})
			default:
				return fmt.Errorf("entry %s: %w", aws.ToString(e.Id), err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// checkBatch says what is wrong with a batch as a whole.
func checkBatch(entries []types.PublishBatchRequestEntry) error {
	switch {
	case len(entries) == 0:
		return wire.Errorf("EmptyBatchRequest", "The batch request doesn't contain any entries.")
	case len(entries) > maxBatch:
		return wire.Errorf("TooManyEntriesInBatchRequest", "The batch request contains more entries than permissible.")
	}
	seen := map[string]bool{}
	size := 0
	for i, e := range entries {
		id := aws.ToString(e.Id)
		switch {
		case id == "":
			return wire.Errorf("InvalidBatchEntryId", "The Id of a batch entry in the batch request is missing or empty.")
		case len(id) > maxBatchID:
			return wire.Errorf("InvalidBatchEntryId", "The Id of a batch entry in the batch request is too long: %s", id)
		case !topicName.MatchString(id): // the same characters
			return wire.Errorf("InvalidBatchEntryId", "The Id of a batch entry in the batch request contains an impermissible character: %s", id)
		case seen[id]:
			return wire.Errorf("BatchEntryIdsNotDistinct", "Two or more batch entries in the request have the same Id.")
		}
		seen[id] = true
		size += len(aws.ToString(e.Message))
		for _, name := range sorted(e.MessageAttributes) {
			a := e.MessageAttributes[name]
			if a.DataType == nil {
				return noDataType(fmt.Sprintf("publishBatchRequestEntries.%d.member.messageAttributes", i+1), name)
			}
			size += attributeSize(name, a)
		}
	}
	if size > maxMessage {
		return wire.Errorf("BatchRequestTooLong", "The length of all the messages put together is more than the limit.")
	}
	return nil
}

// attributeSize is what an attribute counts towards the limit of a message.
func attributeSize(name string, a types.MessageAttributeValue) int {
	return len(name) + len(aws.ToString(a.DataType)) + len(aws.ToString(a.StringValue)) + len(a.BinaryValue)
}
