package sqs

import (
	"github.com/tintype/tintype/internal/localaws/wire"
)

// Wire returns SQS as the protocol layer serves it. Make one and keep it.
func (s *Service) Wire() *wire.Service {
	return &wire.Service{
		Name: "sqs", TargetPrefix: "AmazonSQS", Version: "2012-11-05",
		Namespace: "http://queue.amazonaws.com/doc/2012-11-05/", PathMember: "QueueUrl",
		RootOnly: map[string]bool{"CreateQueue": true, "ListQueues": true},
		Logger:   s.opts.Logger,
		Naming: wire.Naming{Flattened: true, Members: map[string]wire.MemberName{
			"AWSAccountIds":               {Name: "AWSAccountId"},
			"Actions":                     {Name: "ActionName"},
			"AttributeNames":              {Name: "AttributeName"},
			"Attributes":                  {Name: "Attribute"},
			"BinaryListValues":            {Name: "BinaryListValue"},
			"MessageAttributeNames":       {Name: "MessageAttributeName"},
			"MessageAttributes":           {Name: "MessageAttribute"},
			"MessageSystemAttributeNames": {Name: "MessageSystemAttributeName"},
			"MessageSystemAttributes":     {Name: "MessageSystemAttribute"},
			"QueueUrls":                   {Name: "QueueUrl"},
			"StringListValues":            {Name: "StringListValue"},
			"TagKeys":                     {Name: "TagKey"},
			"Tags":                        {Name: "Tag", Key: "Key", Value: "Value"},
		}},
		JSONNames: map[string]string{
			"CreateQueueInput.Tags":                      "tags",
			"ListDeadLetterSourceQueuesOutput.QueueUrls": "queueUrls",
		},
		Operations: map[string]wire.Operation{
			"AddPermission":                wire.Op(s.addPermission),
			"CancelMessageMoveTask":        wire.Op(s.cancelMove),
			"ChangeMessageVisibility":      wire.Op(s.changeVisibility),
			"ChangeMessageVisibilityBatch": wire.Op(s.changeVisibilityBatch),
			"CreateQueue":                  wire.Op(s.createQueue),
			"DeleteMessage":                wire.Op(s.deleteMessage),
			"DeleteMessageBatch":           wire.Op(s.deleteMessageBatch),
			"DeleteQueue":                  wire.Op(s.deleteQueue),
			"GetQueueAttributes":           wire.Op(s.getQueueAttributes),
			"GetQueueUrl":                  wire.Op(s.getQueueURL),
			"ListDeadLetterSourceQueues":   wire.Op(s.listDeadLetterSourceQueues),
			"ListMessageMoveTasks":         wire.Op(s.listMoves),
			"ListQueueTags":                wire.Op(s.listQueueTags),
			"ListQueues":                   wire.Op(s.listQueues),
			"PurgeQueue":                   wire.Op(s.purgeQueue),
			"ReceiveMessage":               wire.Op(s.receiveMessage),
			"RemovePermission":             wire.Op(s.removePermission),
			"SendMessage":                  wire.Op(s.sendMessage),
			"SendMessageBatch":             wire.Op(s.sendMessageBatch),
			"SetQueueAttributes":           wire.Op(s.setQueueAttributes),
			"StartMessageMoveTask":         wire.Op(s.startMove),
			"TagQueue":                     wire.Op(s.tagQueue),
			"UntagQueue":                   wire.Op(s.untagQueue),
		},
	}
}
