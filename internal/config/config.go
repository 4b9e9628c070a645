// Package config is the one place where settings are declared: their names, units,
// defaults and checks. A setting is a flag (--web-addr), an environment variable
// (TINTYPE_WEB_ADDR) and a key of the configuration file (web-addr) by one name;
// flags win over the environment, that over the file, that over the default.
//
// Only internal/app and cmd see a whole Config; every other package takes its own
// Options. It imports nothing of ours.
package config

import (
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/url"
	"regexp"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// Config is every setting of every command.
type Config struct {
	Names    Names
	AWS      AWS
	Endpoint Endpoint
	Web      Web
	App      App
	Limits   Limits
	Log      Log

	// Recipes is the file of recipes and rules besides the built-in ones; empty: none. The web
	// tier and the app tier must be given the same.
	Recipes string
	// Emails are subscribed to both topics by up and provision.
	Emails []string
	// KMSKey is the ARN of the key that buckets, topics and queues are encrypted with; empty:
	// AWS's own keys.
	KMSKey string
	// QueueVisibility is the work queue's visibility timeout, whole seconds. 0: as it is.
	QueueVisibility time.Duration
	Tags            map[string]string // of every resource, besides our own
	// Presence is how often an app tier with images in work says so in the results bucket (a
	// sixth as often without), and how often a web tier looks while somebody listens. 0: never.
	Presence time.Duration
	// Mode is the architecture that runs: "decoupled", "coupled" or, of up alone, "both".
	Mode    string
	Coupled Coupled
	// Traces is the base URL of an OTLP receiver that spans are sent to. Empty: where the
	// environment says (OTEL_EXPORTER_OTLP_ENDPOINT), and nowhere where it does not.
	Traces string
	// Drain is how long a tier may take to finish what it has begun when told to stop.
	Drain time.Duration
}

// Names are the names of the AWS resources.
type Names struct {
	// Prefix is put before both bucket names: bucket names are global on AWS.
	Prefix          string
	UploadsBucket   string
	ResultsBucket   string
	Queue           string
	DeadLetterQueue string
	UploadTopic     string
	CompletionTopic string
}

// Uploads is the uploads bucket's full name.
func (n Names) Uploads() string { return n.Prefix + n.UploadsBucket }

// Results is the results bucket's full name.
func (n Names) Results() string { return n.Prefix + n.ResultsBucket }

// Coupled are the names of the coupled pair's buckets. They are others: what is put into the
// uploads bucket of the events is an event.
func (n Names) Coupled() Names {
	n.UploadsBucket += "-coupled"
	n.ResultsBucket += "-coupled"
	return n
}

// AWS says which AWS is spoken to, beyond what the SDK's own environment says.
type AWS struct {
	// EndpointURL of S3, SNS and SQS; empty: the SDK's resolution (AWS_ENDPOINT_URL, AWS itself).
	EndpointURL string
	// PublicS3URL is where browsers reach S3, where that differs from EndpointURL.
	PublicS3URL string
}

// Endpoint is the embedded endpoint.
type Endpoint struct {
	Addr        string // host:port of S3, SNS and SQS
	ConsoleAddr string // host:port of console and mail inbox
	// BaseURL is where others reach it, in links and certificates' addresses; empty:
	// http:// and Addr.
	BaseURL   string
	Data      string // directory that holds everything
	Region    string
	AccessKey string
	SecretKey string // never logged
	Users     string // file of further users with IAM policies; empty: none
	SMTP      string // host:port that mails are also sent to; empty: inbox only
	SMTPUser  string // who sends there; empty: no authentication
	// SMTPPassword goes with SMTPUser; never logged.
	SMTPPassword string
	MailFrom     string // sender of those mails
}

// Web is the web tier.
type Web struct {
	Addr string // host:port
	// Origins are the page's origins (scheme://host:port) beyond those that follow from
	// Addr: buckets' CORS rules and the Host check accept them.
	Origins []string
	Uploads int // uploads that may pass through at once
	Access  Access
}

// App is the app tier.
type App struct {
	Addr    string // host:port of health, readiness and metrics
	Workers int    // images computed at once
	// Slots is how many messages are in work at once, those that fetch and store among them;
	// 0: four times the workers and four, enough for AWS's latencies.
	Slots   int
	PageURL string // of the page, which completion mails link to; empty: no link

	// Isolation is where images are decoded and processed: in child processes, of which
	// each worker has one ("process"), or in the tier itself ("none").
	Isolation    string
	ImageTimeout time.Duration // longest for one attempt at an image
	Documents    []string      // formats that are drawn and also accepted: "svg", "pdf"
	ImageMemory  int64         // most that a child process may hold, bytes
}

// Coupled is the pair of tiers that call each other instead of sending messages.
type Coupled struct {
	WebAddr    string // host:port of the web tier
	AppAddr    string // host:port of the app tier, which is called there
	ProcessURL string // where the web tier calls the app tier; empty: http:// and AppAddr
	Waiting    int    // calls that may wait for the app tier at once
}

// URL is where the web tier calls the app tier.
func (c Coupled) URL() string {
	if c.ProcessURL != "" {
		return strings.TrimRight(c.ProcessURL, "/")
	}
	return "http://" + c.AppAddr
}

// Limits bound what is accepted as an image.
type Limits struct {
	Bytes  int64 // of the upload
	Pixels int64 // width × height × frames
	Side   int   // the longer side, pixels
	Frames int   // of an animation
}

// Log is how the tiers log, to standard error.
type Log struct {
	Level  string // debug, info, warn, error
	Format string // text, json
	Access bool   // of a web tier: each request is logged at level info instead of debug
}

// Default is the configuration with every default.
func Default() Config {
	return Config{
		Names: Names{
			UploadsBucket: "tintype-uploads", ResultsBucket: "tintype-results",
			Queue: "ImageApp", DeadLetterQueue: "ImageApp-dlq",
			UploadTopic: "uploadnotification", CompletionTopic: "processingnotification",
		},
		Endpoint: Endpoint{
			Addr: "127.0.0.1:4566", ConsoleAddr: "127.0.0.1:4567", Data: "./data",
			Region: "us-east-1", AccessKey: "test", SecretKey: "test", MailFrom: "no-reply@sns.tintype.local",
		},
		Web: Web{Addr: "127.0.0.1:8007", Uploads: 32, Access: defaultAccess()},
		App: App{Addr: "127.0.0.1:8010", Workers: runtime.GOMAXPROCS(0),
			Isolation: "process", ImageTimeout: time.Minute, ImageMemory: 3 << 30},
		Limits:  Limits{Bytes: 50_000_000, Pixels: 100_000_000, Side: 20_000, Frames: 300},
		Log:     Log{Level: "info", Format: "text"},
		Mode:    "decoupled",
		Coupled: Coupled{WebAddr: "127.0.0.1:8008", AppAddr: "127.0.0.1:8009", Waiting: 256},
		// Often enough to watch, for a few cents a day on AWS: docs/adr/0021.
		Presence: 5 * time.Second,
		Drain:    25 * time.Second,
	}
}

// Group is a set of settings that a command takes.
type Group int

// The groups.
const (
	GroupNames     Group = iota // resource names
	GroupAWS                    // which AWS
	GroupEndpoint               // the embedded endpoint
	GroupWeb                    // the web tier
	GroupAccess                 // who may use the web tier
	GroupApp                    // the app tier, with GroupWork
	GroupWork                   // how much an app tier does at once
	GroupImaging                // how images are processed
	GroupLimits                 // what is accepted as an image
	GroupRecipes                // which recipes there are
	GroupCoupled                // the coupled pair
	GroupPresence               // what app tiers say of themselves
	GroupTelemetry              // what tiers tell of themselves
	GroupProvision
	GroupRun // logging and draining
)

// Bind declares the groups' settings as flags that set c.
func (c *Config) Bind(fs *pflag.FlagSet, groups ...Group) {
	fs.String("config", "", "YAML file of settings, by the flags' names (environment: TINTYPE_CONFIG)")
	for _, g := range groups {
		switch g {
		case GroupNames:
			fs.StringVar(&c.Names.Prefix, "name-prefix", c.Names.Prefix, "put before both bucket names, which are global on AWS")
			fs.StringVar(&c.Names.UploadsBucket, "uploads-bucket", c.Names.UploadsBucket, "bucket that originals are uploaded to")
			fs.StringVar(&c.Names.ResultsBucket, "results-bucket", c.Names.ResultsBucket, "bucket that results are written to")
			fs.StringVar(&c.Names.Queue, "queue", c.Names.Queue, "queue that the app tier works off")
			fs.StringVar(&c.Names.DeadLetterQueue, "dead-letter-queue", c.Names.DeadLetterQueue, "queue of what could not be worked off")
			fs.StringVar(&c.Names.UploadTopic, "upload-topic", c.Names.UploadTopic, "topic that S3 announces uploads on")
			fs.StringVar(&c.Names.CompletionTopic, "completion-topic", c.Names.CompletionTopic, "topic that finished images are announced on")
		case GroupAWS:
			fs.StringVar(&c.AWS.EndpointURL, "endpoint-url", c.AWS.EndpointURL, "URL of S3, SNS and SQS; without it the AWS environment decides")
			fs.StringVar(&c.AWS.PublicS3URL, "public-s3-url", c.AWS.PublicS3URL, "URL at which browsers reach S3, where it differs")
			if fs.Lookup("endpoint-addr") == nil {
				fs.StringVar(&c.Endpoint.Addr, "endpoint-addr", c.Endpoint.Addr, "where the embedded endpoint is looked for when no AWS environment is set")
			}
		case GroupEndpoint:
			fs.StringVar(&c.Endpoint.Addr, "endpoint-addr", c.Endpoint.Addr, "address of the embedded S3, SNS and SQS")
			fs.StringVar(&c.Endpoint.ConsoleAddr, "console-addr", c.Endpoint.ConsoleAddr, "address of its console and mail inbox")
			fs.StringVar(&c.Endpoint.BaseURL, "base-url", c.Endpoint.BaseURL, "URL at which others reach it, for links in mails and the certificate's address; without it http:// and --endpoint-addr")
			fs.StringVar(&c.Endpoint.Data, "data", c.Endpoint.Data, "directory that it keeps everything in")
			fs.StringVar(&c.Endpoint.Region, "region", c.Endpoint.Region, "region that it says it is")
			fs.StringVar(&c.Endpoint.AccessKey, "access-key", c.Endpoint.AccessKey, "access key that it accepts")
			fs.StringVar(&c.Endpoint.SecretKey, "secret-key", c.Endpoint.SecretKey, "secret of that key")
			fs.StringVar(&c.Endpoint.Users, "iam-users", c.Endpoint.Users, "JSON file of further users: access keys that may do what their IAM policies say")
			fs.StringVar(&c.Endpoint.SMTP, "smtp", c.Endpoint.SMTP, "SMTP server (host:port) that mails are sent to, besides the inbox")
			fs.StringVar(&c.Endpoint.SMTPUser, "smtp-user", c.Endpoint.SMTPUser, "user to authenticate as at the SMTP server")
			fs.StringVar(&c.Endpoint.SMTPPassword, "smtp-password", c.Endpoint.SMTPPassword, "password of that user; better given as TINTYPE_SMTP_PASSWORD")
			fs.StringVar(&c.Endpoint.MailFrom, "mail-from", c.Endpoint.MailFrom, "sender of those mails")
			bindOpen(fs, &c.Web.Access.Open)
		case GroupWeb:
			fs.StringVar(&c.Web.Addr, "web-addr", c.Web.Addr, "address of the web tier")
			fs.StringSliceVar(&c.Web.Origins, "origin", c.Web.Origins, "further origin (scheme://host:port) that the page is served under; repeatable")
			fs.IntVar(&c.Web.Uploads, "uploads", c.Web.Uploads, "uploads that may pass through the web tier at once; further ones are refused")
			bindPageURL(fs, &c.App.PageURL)
		case GroupAccess:
			c.Web.Access.bind(fs)
		case GroupApp:
			fs.StringVar(&c.App.Addr, "app-addr", c.App.Addr, "address of the app tier's health, readiness and metrics")
			fallthrough
		case GroupWork:
			bindPageURL(fs, &c.App.PageURL)
			fs.IntVar(&c.App.Workers, "workers", c.App.Workers, "images computed at once")
			fs.IntVar(&c.App.Slots, "slots", c.App.Slots, "messages in work at once, those that fetch and store among them; 0: four times --workers and four")
		case GroupImaging:
			fs.StringVar(&c.App.Isolation, "isolation", c.App.Isolation, "where images are processed: process (confined child processes) or none (in the tier itself)")
			fs.DurationVar(&c.App.ImageTimeout, "image-timeout", c.App.ImageTimeout, "longest that one attempt at an image may take")
			fs.StringSliceVar(&c.App.Documents, "documents", c.App.Documents, "further formats to accept from S3: svg, pdf (first page)")
			fs.Int64Var(&c.App.ImageMemory, "image-memory", c.App.ImageMemory, "most memory of one imaging process, bytes")
		case GroupLimits:
			fs.Int64Var(&c.Limits.Bytes, "max-bytes", c.Limits.Bytes, "largest upload, bytes")
			fs.Int64Var(&c.Limits.Pixels, "max-pixels", c.Limits.Pixels, "largest image, pixels")
			fs.IntVar(&c.Limits.Side, "max-side", c.Limits.Side, "longest side, pixels")
			fs.IntVar(&c.Limits.Frames, "max-frames", c.Limits.Frames, "most frames of an animation")
		case GroupRecipes:
			fs.StringVar(&c.Recipes, "recipes", c.Recipes, "YAML file of recipes and rules, besides the built-in recipes")
		case GroupCoupled:
			fs.StringVar(&c.Coupled.WebAddr, "coupled-web-addr", c.Coupled.WebAddr, "address of the coupled web tier")
			fs.StringVar(&c.Coupled.AppAddr, "coupled-app-addr", c.Coupled.AppAddr, "address of the coupled app tier")
			fs.StringVar(&c.Coupled.ProcessURL, "process-url", c.Coupled.ProcessURL, "URL at which the coupled web tier calls the app tier; without it http:// and --coupled-app-addr")
			bindOpen(fs, &c.Web.Access.Open)
			fs.IntVar(&c.Coupled.Waiting, "waiting", c.Coupled.Waiting, "calls that may wait for the coupled app tier at once; further ones are refused")
		case GroupPresence:
			fs.DurationVar(&c.Presence, "presence", c.Presence, "how often an app tier at work says in the results bucket what it has in work, and a web tier looks; 0: never")
		case GroupProvision:
			fs.StringSliceVar(&c.Emails, "email", c.Emails, "address to subscribe to both topics; repeatable")
		case GroupTelemetry:
			fs.StringVar(&c.Traces, "traces", c.Traces, "URL of an OTLP receiver that traces are sent to, such as http://127.0.0.1:4318; without it OTEL_EXPORTER_OTLP_ENDPOINT decides")
			fs.BoolVar(&c.Log.Access, "access-log", c.Log.Access, "log every request of the web tier")
		case GroupRun:
			fs.DurationVar(&c.Drain, "drain", c.Drain, "time to finish what has begun when told to stop")
			fs.StringVar(&c.Log.Level, "log-level", c.Log.Level, "debug, info, warn or error")
			fs.StringVar(&c.Log.Format, "log-format", c.Log.Format, "text or json")
		}
	}
}

// bindPageURL declares --page-url, which both tiers take.
func bindPageURL(fs *pflag.FlagSet, to *string) {
	if fs.Lookup("page-url") == nil {
		fs.StringVar(to, "page-url", *to, "URL of the page as browsers reach it: mails link to it, and OpenID providers send people back to it")
	}
}

// LeastImageMemory is the least of --image-memory, bytes.
const LeastImageMemory = 128 << 20

// bucketName is AWS's rule for general-purpose buckets, but for its reserved words.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

// queueName is the rule for queues and topics of the standard kind.
var queueName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

// keyARN is the ARN of a KMS key.
var keyARN = regexp.MustCompile(`^arn:[a-z0-9-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$`)

// Validate checks what can be checked without asking anyone. The error has a line
// for each fault and says what is allowed.
func (c *Config) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	for flag, name := range pairs("uploads-bucket", c.Names.Uploads(), "results-bucket", c.Names.Results()) {
		if !bucketName.MatchString(name) || strings.Contains(name, "..") {
			bad("--%s: %q is no bucket name: 3 to 63 lower-case letters, digits, dots and hyphens", flag, name)
		}
	}
	if c.Mode == "coupled" || c.Mode == "both" {
		for flag, name := range pairs("uploads-bucket", c.Names.Coupled().Uploads(), "results-bucket", c.Names.Coupled().Results()) {
			if len(name) > 63 {
				bad("--%s: the coupled pair's bucket %q would be longer than 63 characters", flag, name)
			}
		}
	}
	if c.Names.Uploads() == c.Names.Results() {
		bad("--results-bucket: uploads and results are both %q: results would be processed again as uploads; name two buckets", c.Names.Results())
	}
	for flag, name := range pairs("queue", c.Names.Queue, "dead-letter-queue", c.Names.DeadLetterQueue, "upload-topic", c.Names.UploadTopic, "completion-topic", c.Names.CompletionTopic) {
		if !queueName.MatchString(name) {
			bad("--%s: %q is no name for it: 1 to 80 letters, digits, hyphens and underscores", flag, name)
		}
	}
	if c.Names.Queue == c.Names.DeadLetterQueue {
		bad("--dead-letter-queue: must differ from --queue")
	}
	if c.Names.UploadTopic == c.Names.CompletionTopic {
		bad("--completion-topic: must differ from --upload-topic")
	}
	for flag, u := range pairs("endpoint-url", c.AWS.EndpointURL, "public-s3-url", c.AWS.PublicS3URL, "page-url", c.App.PageURL, "process-url", c.Coupled.ProcessURL, "base-url", c.Endpoint.BaseURL, "traces", c.Traces) {
		if u != "" && !isHTTP(u) {
			bad("--%s: %q is no http or https URL", flag, u)
		}
	}
	for _, o := range c.Web.Origins {
		if !isOrigin(o) {
			bad("--origin: %q is no origin such as https://images.example.com", o)
		}
	}
	for flag, a := range pairs("endpoint-addr", c.Endpoint.Addr, "console-addr", c.Endpoint.ConsoleAddr, "web-addr", c.Web.Addr, "app-addr", c.App.Addr, "coupled-web-addr", c.Coupled.WebAddr, "coupled-app-addr", c.Coupled.AppAddr, "smtp", c.Endpoint.SMTP) {
		if a == "" && flag == "smtp" {
			continue
		}
		if _, _, err := net.SplitHostPort(a); err != nil {
			bad("--%s: %q is no host:port", flag, a)
		}
	}
	for _, e := range append([]string{c.Endpoint.MailFrom}, c.Emails...) {
		if a, err := mail.ParseAddress(e); err != nil || a.Address != e {
			bad("--email: %q is no mail address", e)
		}
	}
	if v := c.QueueVisibility; v != 0 && (v < 10*time.Second || v > 12*time.Hour || v%time.Second != 0) {
		bad("--queue-visibility: %v: whole seconds from 10s to 12h are allowed; 0 leaves it as it is", v)
	}
	if c.KMSKey != "" && !keyARN.MatchString(c.KMSKey) {
		bad("--kms-key: %q is no key's ARN such as arn:aws:kms:eu-central-1:123456789012:key/…; an alias would not tell which key", c.KMSKey)
	}
	c.Web.Access.validate(bad)
	if c.App.Workers < 1 {
		bad("--workers: %d: at least 1", c.App.Workers)
	}
	if c.App.Slots != 0 && c.App.Slots < c.App.Workers {
		bad("--slots: %d: 0, or at least as many as --workers", c.App.Slots)
	}
	if c.App.Isolation != "process" && c.App.Isolation != "none" {
		bad("--isolation: %q: process or none", c.App.Isolation)
	}
	for _, d := range c.App.Documents {
		if d != "svg" && d != "pdf" {
			bad("--documents: %q: svg or pdf", d)
		}
	}
	if len(c.App.Documents) > 0 && c.App.Isolation == "none" {
		bad("--documents: only with --isolation process: what draws them is not safe in the tier itself")
	}
	if c.App.ImageTimeout < time.Second {
		bad("--image-timeout: %v: at least 1s", c.App.ImageTimeout)
	}
	if c.App.ImageMemory < LeastImageMemory {
		bad("--image-memory: %d: at least %d, of which a process needs a part for itself", c.App.ImageMemory, LeastImageMemory)
	}
	if c.Presence != 0 && (c.Presence < time.Second || c.Presence > time.Hour) {
		bad("--presence: %v: 0, or from 1s to 1h", c.Presence)
	}
	if c.Limits.Bytes < 1 || c.Limits.Pixels < 1 || c.Limits.Side < 1 || c.Limits.Frames < 1 {
		bad("--max-bytes, --max-pixels, --max-side and --max-frames must be at least 1")
	}
	if c.Endpoint.AccessKey == "" || c.Endpoint.SecretKey == "" {
		bad("--access-key and --secret-key must not be empty")
	}
	if c.Mode != "decoupled" && c.Mode != "coupled" && c.Mode != "both" {
		bad("--mode: %q: decoupled, coupled or both", c.Mode)
	}
	if c.Web.Uploads < 1 {
		bad("--uploads: %d: at least 1", c.Web.Uploads)
	}
	if c.Coupled.Waiting < 1 {
		bad("--waiting: %d: at least 1", c.Coupled.Waiting)
	}
	switch c.Log.Level {
	case "debug", "info", "warn", "error":
	default:
		bad("--log-level: %q: debug, info, warn or error", c.Log.Level)
	}
	if c.Log.Format != "text" && c.Log.Format != "json" {
		bad("--log-format: %q: text or json", c.Log.Format)
	}
	return errors.Join(errs...)
}

// pairs yields flag and value in the order given, so that faults come in one order.
func pairs(kv ...string) func(func(string, string) bool) {
	return func(yield func(string, string) bool) {
		for i := 0; i < len(kv); i += 2 {
			if !yield(kv[i], kv[i+1]) {
				return
			}
		}
	}
}

func isHTTP(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}
