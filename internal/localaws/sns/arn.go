package sns

import "strings"

// topicARN checks that a parameter is the ARN of a topic that could be here; whether it
// is, findTopic says.
func (s *Service) topicARN(parameter string, arn *string) (string, error) {
	if arn == nil {
		return "", invalid("%s Reason: no value for required parameter", parameter)
	}
	f, err := arnFields(parameter, *arn)
	if err != nil {
		return "", err
	}
	if len(f) != 6 || f[0] != "arn" || f[2] != "sns" || f[3] != s.opts.Region || f[5] == "" {
		return "", invalid("%s", parameter)
	}
	return *arn, nil
}

// subscriptionARN checks that a parameter looks like the ARN of a subscription.
func subscriptionARN(arn *string) (string, error) {
	if arn == nil {
		return "", invalid("SubscriptionArn Reason: no value for required parameter")
	}
	f, err := arnFields("SubscriptionArn", *arn)
	if err != nil {
		return "", err
	}
	if len(f) != 7 || f[6] == "" {
		return "", invalid("SubscriptionId")
	}
	return *arn, nil
}

func arnFields(parameter, arn string) ([]string, error) {
	f := strings.Split(arn, ":")
	if len(f) < 6 {
		return nil, invalid("%s Reason: An ARN must have at least 6 elements, not %d", parameter, len(f))
	}
	return f, nil
}

// isQueueARN says whether the text is the ARN of a queue, wherever it may be.
func isQueueARN(arn string) bool {
	f := strings.Split(arn, ":")
	return len(f) == 6 && f[0] == "arn" && f[2] == "sqs" && f[3] != "" && f[4] != "" && f[5] != ""
}

const fifoSuffix = ".fifo"

func isFIFO(arn string) bool { return strings.HasSuffix(arn, fifoSuffix) }
