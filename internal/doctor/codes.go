package doctor

// Code is one kind of finding.
type Code struct {
	Code  string
	Level Level
	Group string
	Means string // what is the case
	Why   string // why it matters
}

func lookUp(code string) (Code, bool) {
	for _, c := range Codes() {
		if c.Code == code {
			return c, true
		}
	}
	return Code{}, false
}

// Codes lists every finding that there is. They are part of the interface: scripts match them.
func Codes() []Code {
	return []Code{
		{"endpoint-silent", Wrong, GroupAccess, "nobody answers at the endpoint", "without S3, SNS and SQS no tier does anything"},
		{"credentials-wrong", Wrong, GroupAccess, "the endpoint does not accept the credentials", "every call is refused"},
		{"clock-wrong", Wrong, GroupAccess, "this machine's clock is over 5 minutes off", "signatures carry the time: SNS and SQS refuse those that are 5 minutes off, S3 those of 15, and presigned uploads fail"},
		{"clock-off", Warning, GroupAccess, "this machine's clock is over a minute off", "at 5 minutes signatures are refused; ages and latencies are wrong already"},
		{"access-denied", Wrong, GroupAccess, "a tier's action is refused to these credentials", "a tier that runs with them fails there"},
		{"unchecked", Unknown, GroupAccess, "a look was refused or failed", "what it would have told is not known"},

		{"bucket-missing", Wrong, GroupBuckets, "the bucket is not there", "uploads or results have no place"},
		{"bucket-forbidden", Wrong, GroupBuckets, "the bucket is somebody else's, or closed to these credentials", "bucket names are global: one with this name may be another account's"},
		{"bucket-region", Wrong, GroupBuckets, "the bucket is in another region", "calls are redirected or refused, and S3 notifies only topics of its own region"},
		{"one-bucket", Wrong, GroupBuckets, "uploads and results are one bucket", "each result would be processed again as an upload, without end"},
		{"bucket-denies", Wrong, GroupBuckets, "the bucket's policy denies what the tiers do", "a Deny wins over every permission"},
		{"bucket-open", Wrong, GroupBuckets, "the bucket's policy lets everybody in", "originals or results can be read or replaced by anybody; the page needs only presigned URLs"},
		{"bucket-unblocked", Warning, GroupBuckets, "public access is not blocked", "one careless policy or ACL makes the images public"},
		{"bucket-cors", Warning, GroupBuckets, "no CORS rule lets the page in", "browsers refuse the page's uploads and downloads; the command line and the form without scripts work"},
		{"bucket-plain-http", Warning, GroupBuckets, "the bucket's policy does not demand TLS", "presigned URLs work over plain HTTP too, and can be read on the way"},
		{"bucket-unencrypted", Warning, GroupBuckets, "no default encryption", "what is stored can be read off the disks"},
		{"bucket-expires", Warning, GroupBuckets, "a lifecycle rule deletes objects within 14 days", "an upload that waits in a queue as long is gone before it is processed; a result that goes leaves its image queued for ever"},
		{"bucket-versions", Info, GroupBuckets, "the bucket keeps versions", "what is deleted stays as an old version, and costs, until a lifecycle rule ends it"},
		{"bucket-lock", Warning, GroupBuckets, "object lock keeps new objects", "deleting an image leaves its versions until the lock ends"},

		{"topic-missing", Wrong, GroupTopics, "the topic is not there", "uploads are announced to nobody, or finished images are not"},
		{"topic-closed", Wrong, GroupTopics, "the topic's policy does not let S3 publish", "S3 drops the events: uploads stay queued for ever"},
		{"topic-other-bucket", Wrong, GroupTopics, "the topic's policy lets S3 publish for another bucket only", "S3 drops the events: uploads stay queued for ever"},
		{"topic-other-account", Wrong, GroupTopics, "the topic's policy lets S3 publish for another account only", "S3 drops the events: uploads stay queued for ever"},
		{"topic-denies", Wrong, GroupTopics, "the topic's policy denies S3", "a Deny wins over every permission: uploads stay queued for ever"},
		{"topic-open", Wrong, GroupTopics, "the topic's policy lets everybody publish", "anybody can send mail to the subscribers and work to the queue"},
		{"topic-any-bucket", Warning, GroupTopics, "the topic's policy lets S3 publish for any bucket of anybody", "S3 can be made to publish here by a stranger's bucket (the confused deputy)"},
		{"topic-key", Wrong, GroupTopics, "the topic is encrypted with the key that AWS manages", "S3 may not use that key, and its policy cannot be changed: events are dropped"},
		{"key-unseen", Info, GroupTopics, "a key of your own encrypts a topic or queue", "its policy has to let S3 and SNS use it (kms:GenerateDataKey*, kms:Decrypt), or events are dropped; it cannot be seen from here"},
		{"policy-unclear", Unknown, GroupTopics, "a policy has conditions that cannot be judged", "whether it lets the events through is not known; --probe tells"},

		{"notification-none", Wrong, GroupNotification, "the bucket announces no uploads", "uploads stay queued for ever"},
		{"notification-elsewhere", Wrong, GroupNotification, "the bucket announces uploads on another topic only", "uploads stay queued for ever"},
		{"notification-filter", Wrong, GroupNotification, "a prefix or suffix keeps uploads from being announced", "those that do not match stay queued for ever"},
		{"notification-events", Wrong, GroupNotification, "not every way of creating an object is announced", "forms of the page are Post, large files CompleteMultipartUpload, copies Copy: what is not announced stays queued for ever"},
		{"notification-twice", Warning, GroupNotification, "uploads reach the queue on two ways", "each is sent twice; the second message finds the result and is for nothing"},
		{"notification-direct", Info, GroupNotification, "the bucket notifies the queue itself, without the topic", "images are processed; nobody else can subscribe, so there is no mail about uploads"},
		{"notification-loop", Wrong, GroupNotification, "the results bucket sends its events to the queue", "each result would be taken for an upload; the app tier drops such events, and is paid for them"},

		{"subscription-missing", Wrong, GroupSubscriptions, "the queue is not subscribed to the topic", "uploads stay queued for ever"},
		{"subscription-twice", Warning, GroupSubscriptions, "the queue is subscribed twice", "each message comes twice; the second finds the result and is for nothing"},
		{"subscription-filter", Wrong, GroupSubscriptions, "the subscription's filter policy drops events", "S3's events carry no message attributes: a filter on them lets nothing through"},
		{"subscription-body-filter", Warning, GroupSubscriptions, "the subscription's filter policy looks into the events", "uploads that it does not let through stay queued for ever"},
		{"subscription-raw", Info, GroupSubscriptions, "raw delivery", "works: both forms are understood"},
		{"subscription-pending", Warning, GroupSubscriptions, "an address has not confirmed", "no mail goes there; AWS forgets the request after some days"},
		{"subscription-completions", Wrong, GroupSubscriptions, "the queue is subscribed to the completion topic", "each finished image comes back as a message that is no upload"},
		{"subscription-dead-letters", Wrong, GroupSubscriptions, "the dead-letter queue is subscribed to a topic", "every upload lands among the dead letters"},

		{"queue-missing", Wrong, GroupQueues, "the queue is not there", "nothing is processed"},
		{"queue-fifo", Wrong, GroupQueues, "the queue is a FIFO queue", "S3's events reach only standard topics and queues"},
		{"queue-closed", Wrong, GroupQueues, "the queue's policy does not let the topic send", "SNS drops the messages: uploads stay queued for ever"},
		{"queue-other-topic", Wrong, GroupQueues, "the queue's policy lets another topic send only", "SNS drops the messages: uploads stay queued for ever"},
		{"queue-denies", Wrong, GroupQueues, "the queue's policy denies the topic", "a Deny wins over every permission: uploads stay queued for ever"},
		{"queue-open", Wrong, GroupQueues, "the queue's policy lets everybody in", "anybody can send work, or take messages away"},
		{"queue-any-topic", Warning, GroupQueues, "the queue's policy lets any topic of anybody send", "a stranger's topic can send here (the confused deputy)"},
		{"queue-key", Wrong, GroupQueues, "the queue is encrypted with the key that AWS manages", "SNS may not use that key, and its policy cannot be changed: messages are dropped"},
		{"queue-visibility", Warning, GroupQueues, "the visibility timeout is shorter than images take", "the app tier asks for its own 30 s and extends it while it works; any other consumer sees images again that are in work"},
		{"queue-retention", Warning, GroupQueues, "messages are kept for less than a day", "an app tier that stands still over a night loses uploads"},
		{"queue-delay", Warning, GroupQueues, "each message is held back", "every image waits that long before anybody starts"},
		{"queue-size", Warning, GroupQueues, "large messages are refused", "events of long keys do not fit, and SNS drops them"},
		{"queue-receives", Warning, GroupQueues, "one failure, or two, makes a message a dead letter", "a process that ends, or an outage of seconds, is a failure; five receives are enough for both"},
		{"dead-letters-none", Warning, GroupQueues, "the queue has no dead-letter queue", "what fails is tried until SQS drops it, and nobody sees why"},
		{"dead-letters-gone", Wrong, GroupQueues, "the redrive policy names a queue that is not there", "a message that fails for the last time has no place to go: SQS keeps it in the queue, and it is tried again and again"},
		{"dead-letters-elsewhere", Warning, GroupQueues, "dead letters go to another queue", "page and commands look into --dead-letter-queue, and show none"},
		{"dead-letters-refused", Wrong, GroupQueues, "the dead-letter queue does not take this queue's", "its RedriveAllowPolicy keeps them out: messages that fail stay and are tried again and again"},
		{"dead-letters-kept", Warning, GroupQueues, "dead letters are kept no longer than messages", "their age counts from the upload: one that waited long is dropped before anybody looks"},
		{"dead-letters-shared", Warning, GroupQueues, "other queues' dead letters come here, too", "a redrive or a purge meets theirs"},
		{"dead-letters-chain", Warning, GroupQueues, "the dead-letter queue has a dead-letter queue", "looking at a dead letter counts as a receive, and moves it on"},
		{"dead-letters", Warning, GroupQueues, "there are dead letters", "each is an upload that could not be processed and that somebody waits for"},

		{"web-queues-left", Warning, GroupTiers, "queues of web instances that died", "completions fill them for nothing; a running web tier sweeps them within minutes"},
		{"app-none", Warning, GroupTiers, "messages wait, and no app process says that it is alive", "uploads stay queued until one runs (with --presence 0 none says so)"},
		{"app-unready", Wrong, GroupTiers, "an app process says that it cannot work", "it receives nothing"},
		{"app-silent", Warning, GroupTiers, "an app process fell silent without a farewell", "it was killed or cannot reach S3; what it had in work comes back after the visibility timeout"},
		{"app-versions", Warning, GroupTiers, "app processes run different versions", "results differ by who made them"},

		{"recipes-bad", Wrong, GroupMachine, "the recipe file cannot be used", "neither tier starts with it"},
		{"recipe-asset", Wrong, GroupMachine, "a recipe needs a picture that is not there", "images with that recipe fail with bad_asset"},
		{"temp-full", Warning, GroupMachine, "little room for temporary files", "uploads that do not fit in memory fail"},
		{"temp-closed", Wrong, GroupMachine, "the directory for temporary files cannot be written", "uploads that do not fit in memory fail"},
		{"libvips", Wrong, GroupMachine, "the imaging library cannot be used", "the app tier does not start"},
		{"format-missing", Wrong, GroupMachine, "libvips lacks JPEG or PNG", "the built-in recipes cannot write their results"},
		{"format-fewer", Info, GroupMachine, "libvips lacks a format", "images of it fail with unsupported_format"},
		{"text-missing", Info, GroupMachine, "watermarks of text cannot be drawn", "recipes with text fail with not_built_in"},
		{"confined-less", Info, GroupMachine, "imaging processes are confined less than they could be", "a hole in a decoder reaches further"},
		{"image-fails", Wrong, GroupMachine, "an image cannot be processed", "the app tier would fail with each"},

		{"probe-upload", Wrong, GroupProbe, "the probe could not be uploaded", "people's uploads fail the same way"},
		{"probe-lost", Wrong, GroupProbe, "the probe's event never came to a result", "the path between S3 and the app tier is broken, or no app process runs"},
		{"probe-failed", Wrong, GroupProbe, "the probe was processed, and failed", "images fail the same way"},
		{"probe-unannounced", Wrong, GroupProbe, "the probe's result was not announced", "pages do not hear of finished images"},
		{"probe-left", Warning, GroupProbe, "the probe could not be removed", "it stays among the images"},
	}
}
