package declare

// A Role is who runs a part of Tintype and what it may do: nothing beyond the calls that
// its code makes. A test runs each under an evaluator that denies everything else, and
// fails as well when an action is granted that no run needed.
type Role struct {
	Name   string // "web", "app", "operator"
	Title  string // as documents call it
	Policy Document
}

// WebQueuePrefix begins the names of the queues that web instances make for themselves.
const WebQueuePrefix = "tintype-web-"

// Roles are the three that there are.
func Roles(s Spec) []Role {
	st := Of(s)
	return []Role{s.webRole(st), s.appRole(st), s.operatorRole(st)}
}

func allow(sid string, resources Strings, actions ...string) Statement {
	return Statement{Sid: sid, Effect: effectAllow, Action: actions, Resource: resources}
}

func (st Statement) when(c Conditions) Statement {
	st.Condition = c
	return st
}

// keys are the objects of a bucket below prefix.
func (b Bucket) keys(prefix string) string { return b.ARN + "/" + prefix + "*" }

func (s Spec) webRole(st Stack) Role {
	own := s.QueueARN(WebQueuePrefix + "*")
	d := Document{Statement: []Statement{
		// It presigns as itself: what a browser does with a form or a URL, this role must be
		// allowed. The body of an upload, its size and its type the form's own policy binds.
		allow("Originals", Strings{st.Uploads.keys("")}, "s3:GetObject", "s3:PutObject", "s3:DeleteObject"),
		// A retry copies the original onto itself; an original that has tags takes them along.
		allow("TagsOfOriginals", Strings{st.Uploads.keys("")}, "s3:GetObjectTagging", "s3:PutObjectTagging"),
		allow("Results", Strings{st.Results.keys("")}, "s3:GetObject", "s3:DeleteObject"),
		// Without it S3 answers 403 for what is not there, and not 404.
		allow("ListBoth", Strings{st.Uploads.ARN, st.Results.ARN}, "s3:ListBucket"),
		allow("FindQueue", Strings{st.Queue.ARN, st.DeadLetterQueue.ARN}, "sqs:GetQueueUrl", "sqs:GetQueueAttributes"),
		allow("DeadLetters", Strings{st.DeadLetterQueue.ARN}, "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"),
		allow("SendBack", Strings{st.Queue.ARN}, "sqs:SendMessage"),
		allow("OwnQueue", Strings{own}, "sqs:CreateQueue", "sqs:TagQueue", "sqs:GetQueueUrl", "sqs:GetQueueAttributes", "sqs:SetQueueAttributes",
			"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:DeleteQueue", "sqs:ListQueueTags"),
		allow("HearOfResults", Strings{st.CompletionTopic.ARN}, "sns:Subscribe").when(Conditions{
			strEqual: {"sns:Protocol": {"sqs"}}, "StringLike": {"sns:Endpoint": {own}}}),
		allow("FindSubscriptionsOfTheDead", Strings{st.CompletionTopic.ARN}, "sns:ListSubscriptionsByTopic"),
		// The services know no resource for these, so that only * grants them.
		allow("WithoutResource", Strings{"*"}, "sns:GetSubscriptionAttributes", "sns:Unsubscribe", "sqs:ListQueues"),
	}}
	d.add(s.keyUse("kms:Decrypt", "kms:GenerateDataKey")...)
	return Role{Name: "web", Title: "web tier", Policy: d}
}

func (s Spec) appRole(st Stack) Role {
	d := Document{Statement: []Statement{
		allow("Originals", Strings{st.Uploads.keys("")}, "s3:GetObject"),
		allow("Results", Strings{st.Results.keys("")}, "s3:GetObject", "s3:PutObject"),
		// Its presence when it stops, and the record of failed attempts once one succeeds.
		allow("OwnRecords", Strings{st.Results.keys(PresencePrefix), st.Results.keys(AttemptsPrefix)}, "s3:DeleteObject"),
		// Without it S3 answers 403 for what is not there, and not 404: a result that is not
		// made yet and an original that was deleted would look like a refusal.
		allow("TellAbsentFromRefused", Strings{st.Uploads.ARN, st.Results.ARN}, "s3:ListBucket"),
		allow("FindQueues", Strings{st.Queue.ARN, st.DeadLetterQueue.ARN}, "sqs:GetQueueUrl", "sqs:GetQueueAttributes"),
		allow("WorkOff", Strings{st.Queue.ARN}, "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"),
		allow("Announce", Strings{st.CompletionTopic.ARN}, "sns:Publish"),
	}}
	d.add(s.keyUse("kms:Decrypt", "kms:GenerateDataKey")...)
	return Role{Name: "app", Title: "app tier", Policy: d}
}

func (s Spec) operatorRole(st Stack) Role {
	d := Document{Statement: []Statement{
		allow("Originals", Strings{st.Uploads.keys("")}, "s3:GetObject", "s3:PutObject"),
		allow("Results", Strings{st.Results.keys("")}, "s3:GetObject", "s3:DeleteObject"),
		allow("ListBoth", Strings{st.Uploads.ARN, st.Results.ARN}, "s3:ListBucket"),
		allow("Queues", Strings{st.Queue.ARN, st.DeadLetterQueue.ARN}, "sqs:GetQueueUrl", "sqs:GetQueueAttributes", "sqs:ReceiveMessage", "sqs:ChangeMessageVisibility"),
		allow("DeadLetters", Strings{st.DeadLetterQueue.ARN}, "sqs:DeleteMessage"),
		allow("SendBack", Strings{st.Queue.ARN}, "sqs:SendMessage", "sqs:PurgeQueue"),
	}}
	// doctor looks at all that is declared, and at what keeps it from working.
	d.add(
		allow("LookAtBuckets", Strings{st.Uploads.ARN, st.Results.ARN}, "s3:GetBucketPublicAccessBlock", "s3:GetEncryptionConfiguration", "s3:GetBucketCORS",
			"s3:GetLifecycleConfiguration", "s3:GetBucketTagging", "s3:GetBucketPolicy", "s3:GetBucketNotification", "s3:GetBucketVersioning", "s3:GetBucketObjectLockConfiguration"),
		allow("LookAtQueues", Strings{st.Queue.ARN, st.DeadLetterQueue.ARN}, "sqs:ListQueueTags", "sqs:ListDeadLetterSourceQueues"),
		allow("LookAtWebQueues", Strings{s.QueueARN(WebQueuePrefix + "*")}, "sqs:ListQueueTags"),
		allow("LookAtSubscriptions", Strings{"*"}, "sns:GetSubscriptionAttributes", "sqs:ListQueues"),
		allow("LookAtTopics", Strings{st.UploadTopic.ARN, st.CompletionTopic.ARN}, "sns:GetTopicAttributes", "sns:ListTagsForResource", "sns:ListSubscriptionsByTopic"))
	d.add(s.keyUse("kms:Decrypt", "kms:GenerateDataKey")...)
	return Role{Name: "operator", Title: "operator", Policy: d}
}

// keyUse lets the services use the key for who calls them, and nobody use it otherwise.
func (s Spec) keyUse(actions ...string) []Statement {
	if s.KMSKey == "" {
		return nil
	}
	return []Statement{allow("Key", Strings{s.KMSKey}, actions...).when(Conditions{strEqual: {"kms:ViaService": {
		"s3." + s.Region + ".amazonaws.com", "sqs." + s.Region + ".amazonaws.com", "sns." + s.Region + ".amazonaws.com",
	}}})}
}
