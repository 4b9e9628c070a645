package doctor

import (
	"context"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

type smithyMiddlewareStack = middleware.Stack

const before = middleware.Before

type queueAttribute = types.QueueAttributeName

// responseKeeper keeps the last response of a call, good or bad: the SDK gives its Date only
// of those that were good, and a clock that is off shows in those that were refused.
type responseKeeper struct{ to **http.Response }

func (responseKeeper) ID() string { return "doctor: keep the response" }

func (k responseKeeper) HandleDeserialize(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
	out, meta, err := next.HandleDeserialize(ctx, in)
	if r, ok := out.RawResponse.(*smithyhttp.Response); ok && r != nil && r.StatusCode != 0 { // 0: nobody answered
		*k.to = r.Response
	}
	return out, meta, err
}
