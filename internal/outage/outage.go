// Package outage tells trouble that everybody has with a service of AWS from trouble with
// one request: where the service does not answer, asks for fewer requests, or does not
// accept our credentials, another message would fare no better.
//
// It looks at the SDK's errors alone. Every package may import it; it imports none of ours.
package outage

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Kind is what is the matter.
type Kind int

const (
	// None is nothing, or something that concerns this request alone.
	None Kind = iota
	// Throttled is a service that asks for fewer requests.
	Throttled
	// Unreachable is no answer, none in time, or one that admits a fault of the service.
	Unreachable
	// Credentials are expired, withdrawn or unknown, or none can be had.
	Credentials
	// Clock is ours and the service's differing by more than signatures allow.
	Clock
	// Denied is credentials that are good and may not do this.
	Denied
)

func (k Kind) String() string {
	return [...]string{"none", "throttled", "unreachable", "credentials", "clock", "denied"}[k]
}

// Hint says what a person can do about it; nothing, where waiting is all.
func (k Kind) Hint() string {
	switch k {
	case Credentials:
		return "the AWS credentials are expired or not known: renew them (`aws sso login`, a new session token, AWS_PROFILE, AWS_ACCESS_KEY_ID); a role's renew themselves. Static ones are read at start: restart after changing them"
	case Clock:
		return "set this machine's clock: AWS takes signatures of the last minutes only"
	case Denied:
		return "the credentials lack a permission, or a policy forbids it: `tintype doctor` tests each piece"
	}
	return ""
}

// Load reports whether fewer requests may help.
func (k Kind) Load() bool { return k == Throttled || k == Unreachable }

// kinds are by S3's, SQS's and SNS's error codes.
// https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html
var kinds = map[string]Kind{
	"ExpiredToken": Credentials, "ExpiredTokenException": Credentials, "TokenRefreshRequired": Credentials, "InvalidToken": Credentials,
	"InvalidClientTokenId": Credentials, "InvalidAccessKeyId": Credentials, "UnrecognizedClientException": Credentials, "NotSignedUp": Credentials,
	"SignatureDoesNotMatch": Credentials, "InvalidSignatureException": Credentials, "IncompleteSignature": Credentials, "InvalidSecurity": Credentials,
	"MissingAuthenticationToken": Credentials, "MissingAuthenticationTokenException": Credentials, "AccountProblem": Credentials, "OptInRequired": Credentials,

	"RequestTimeTooSkewed": Clock, "RequestExpired": Clock,

	"AccessDenied": Denied, "AccessDeniedException": Denied, "AllAccessDisabled": Denied, "AuthorizationError": Denied, "AuthorizationErrorException": Denied,
	"NotAuthorized": Denied, "Forbidden": Denied, "KmsAccessDenied": Denied, "KMS.AccessDeniedException": Denied, "KMSAccessDenied": Denied, "KMSAccessDeniedException": Denied,

	"OverLimit": Throttled, "KmsThrottled": Throttled, "KMS.ThrottlingException": Throttled, "KMSThrottling": Throttled, "KMSThrottlingException": Throttled, "ThrottledException": Throttled,
	"RequestTimeout": Unreachable, "RequestTimeoutException": Unreachable, "InternalError": Unreachable, "InternalFailure": Unreachable, "ServiceUnavailable": Throttled,
}

// Of says what is the matter, judging by an error of the SDK. A call that the caller itself
// broke off tells nothing.
func Of(err error) Kind {
	if err == nil || errors.Is(err, context.Canceled) {
		return None
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		if k := OfCode(api.ErrorCode()); k != None {
			return k
		}
	}
	var re *smithyhttp.ResponseError
	if errors.As(err, &re) {
		switch status := re.HTTPStatusCode(); {
		case status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable:
			return Throttled
		case status >= 500 || status == http.StatusRequestTimeout:
			return Unreachable
		case status == http.StatusForbidden || status == http.StatusUnauthorized:
			return Denied
		case status != 0 && api != nil:
			return None
		}
	}
	if api != nil {
		return None
	}
	if strings.Contains(err.Error(), "get identity: ") || strings.Contains(err.Error(), "retrieve credentials") {
		return Credentials // the SDK has no type for it
	}
	var operation *smithy.OperationError
	if Network(err) || errors.As(err, &operation) {
		return Unreachable // no answer at all, or none that can be understood
	}
	return None
}

// OfCode is Of for an entry of a batch's answer, which has a code and no status.
func OfCode(code string) Kind {
	if k, ok := kinds[code]; ok {
		return k
	}
	if _, ok := retry.DefaultThrottleErrorCodes[code]; ok {
		return Throttled
	}
	return None
}

// Network reports whether a connection failed or an answer did not come in time.
func Network(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) || errors.Is(err, context.DeadlineExceeded)
}
