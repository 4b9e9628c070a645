package provision

import (
	"encoding/json"
	"reflect"
)

// document is a resource policy. Format:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
type document struct {
	Version   string      `json:"Version"`
	Statement []statement `json:"Statement"`
}

type statement struct {
	Sid       string                       `json:"Sid"`
	Effect    string                       `json:"Effect"`
	Principal map[string]string            `json:"Principal"`
	Action    string                       `json:"Action"`
	Resource  string                       `json:"Resource"`
	Condition map[string]map[string]string `json:"Condition"`
}

func (d document) String() string {
	b, err := json.Marshal(d)
	if err != nil {
		panic(err) // strings only: cannot fail
	}
	return string(b)
}

// topicPolicy lets S3 publish to the topic, and only for events of this bucket in
// this account: without the conditions any bucket of anybody could (the confused deputy).
func topicPolicy(topicARN, bucketARN, account string) document {
	return document{Version: "2012-10-17", Statement: []statement{{
		Sid: "S3MayPublishUploads", Effect: "Allow",
		Principal: map[string]string{"Service": "s3.amazonaws.com"},
		Action:    "SNS:Publish", Resource: topicARN,
		Condition: map[string]map[string]string{
			"ArnEquals":    {"aws:SourceArn": bucketARN},
			"StringEquals": {"aws:SourceAccount": account},
		},
	}}}
}

// queuePolicy lets the topic send to the queue.
func queuePolicy(queueARN, topicARN string) document {
	return document{Version: "2012-10-17", Statement: []statement{{
		Sid: "TopicMaySend", Effect: "Allow",
		Principal: map[string]string{"Service": "sns.amazonaws.com"},
		Action:    "SQS:SendMessage", Resource: queueARN,
		Condition: map[string]map[string]string{"ArnEquals": {"aws:SourceArn": topicARN}},
	}}}
}

// sameJSON compares two JSON texts by content: the services give policies back with
// their own spacing and order.
func sameJSON(a, b string) bool {
	var x, y any
	return json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil && reflect.DeepEqual(x, y)
}
