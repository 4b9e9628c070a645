package deadletter

import (
	"context"
	"errors"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"github.com/tintype/tintype/internal/attempt"
	"github.com/tintype/tintype/internal/fault"
	"github.com/tintype/tintype/internal/recipe"
)

// explain says why a letter is where it is, as far as anybody knows.
func (l *Letter) explain(r *attempt.Record) {
	if last, ok := r.Last(); ok {
		l.Cause = Cause{Code: last.Code, Message: last.Message, Hint: last.Hint}
	} else if f := fault.As(l.junk); f != nil {
		l.Cause = Cause{Code: attempt.CodeJunk, Message: attempt.Clean(f.Message, 1000), Hint: f.Hint}
	} else {
		l.Cause = Cause{Code: attempt.CodeUnknown, Message: "nothing is on record of its attempts"}
	}
	if l.Cause.Hint == "" {
		l.Cause.Hint = remedies[l.Cause.Code]
	}
}

// remedies are for causes that come without a hint.
var remedies = map[string]string{
	attempt.CodeUnknown:   "look for the message's id in the app tier's log; a process that died at its first attempt leaves no record",
	attempt.CodeJunk:      "look at what sends to this queue: only S3 event notifications belong there",
	attempt.CodeGivenBack: "send it back: the app tier was stopped while it was at work",
	attempt.CodeLeaseLost: "send it back; if it comes again, see whether the app tier reaches the queue at all times",
	fault.CodeUnavailable: "send it back when the service named above answers again",
	fault.CodeInternal:    "run `tintype doctor`; when the cause is mended, send it back",
}

// advice says what to do with a letter whose images are known.
func advice(l *Letter) string {
	all := func(status ...string) bool {
		return len(l.Images) > 0 && !slices.ContainsFunc(l.Images, func(i Image) bool { return !slices.Contains(status, i.Status) })
	}
	id := l.MessageID
	switch {
	case l.Kind == KindJunk:
		return "drop it once you know who sent it: tintype dlq drop " + id
	case all(string(recipe.Done)):
		return "there is a result; drop it, or send it back if nobody was told of the image: tintype dlq redrive " + id
	case all(string(recipe.Done), string(recipe.Failed)):
		return "it has come to an end by now; drop it: tintype dlq drop " + id
	case all(StatusGone, ""):
		return "the original is not there any more; drop it: tintype dlq drop " + id
	case all(StatusGone, StatusOverwritten, string(recipe.Done), string(recipe.Failed), ""):
		return "newer events have taken its place; drop it: tintype dlq drop " + id
	}
	return "mend the cause, then send it back: tintype dlq redrive " + id
}

// Explain turns an error of SQS into a fault with a hint.
func Explain(op string, err error) error {
	if err == nil || fault.As(err) != nil {
		return err
	}
	f := &fault.Error{Op: op, Kind: fault.Retry, Code: fault.CodeUnavailable, Message: "the queue service did not answer as it should", Err: err}
	var api smithy.APIError
	var missing *types.QueueDoesNotExist
	switch {
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.As(err, &missing):
		f.Kind, f.Code, f.Message, f.Hint = fault.Permanent, fault.CodeNotFound, "the queue is not there", "run `tintype provision`"
	case !errors.As(err, &api):
		f.Hint = "see whether the endpoint is running, and check AWS_ENDPOINT_URL or --endpoint-url, the region and the credentials"
	case slices.Contains([]string{"AccessDenied", "AccessDeniedException", "AWS.SimpleQueueService.AccessDenied", "SignatureDoesNotMatch", "InvalidClientTokenId", "ExpiredToken"}, api.ErrorCode()):
		f.Kind, f.Code, f.Message = fault.Bug, fault.CodeInternal, "the queue service refused access"
		f.Hint = "the credentials must be allowed sqs:ReceiveMessage, sqs:ChangeMessageVisibility, sqs:DeleteMessage and sqs:GetQueueAttributes of the dead-letter queue, and sqs:SendMessage to the queue"
	}
	return f
}
