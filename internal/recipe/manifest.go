package recipe

import "time"

// ManifestVersion is the version of the manifest format written by this program.
const ManifestVersion = 1

// Status is where an image stands in its life; docs/state-machine.md draws it.
type Status string

// The states of an image.
const (
	Queued     Status = "queued"     // uploaded, no result yet
	Processing Status = "processing" // a worker has it
	Done       Status = "done"       // outputs and manifest are stored
	Failed     Status = "failed"     // a permanent fault; the manifest names it
)

// Manifest is the record of one image's processing: the commit point. It is
// written last, by a conditional write, as manifest.json under the image's prefix
// in the results bucket, and holds everything that is known about the result.
type Manifest struct {
	Version    int      `json:"version"`
	ID         string   `json:"id"`
	Status     Status   `json:"status"` // Done or Failed
	Source     Source   `json:"source"`
	Recipe     string   `json:"recipe"`
	RecipeHash string   `json:"recipeHash,omitempty"` // Job.Hash; empty where the recipe could not be resolved
	Params     Params   `json:"params,omitempty"`
	Assets     []Asset  `json:"assets,omitempty"` // in the order of Job.Assets
	Outputs    []Result `json:"outputs,omitempty"`
	Error      *Failure `json:"error,omitempty"` // set where Status is Failed
	Attempts   int      `json:"attempts"`        // the message's receive count when this was written, from 1
	Timings    Timings  `json:"timings"`
	Program    string   `json:"program"`             // "tintype 0.1.0"
	Libvips    string   `json:"libvips"`             // "8.14.1"
	MessageID  string   `json:"messageId,omitempty"` // the SQS message that led here
	Asked      *Asked   `json:"asked,omitempty"`     // nil in older manifests, and where the original's metadata could not be read
	Backfill   string   `json:"backfill,omitempty"`  // the job of the backfill that led here; empty where an upload did
}

// Asked is what an upload said of its recipe, in its metadata. The rules complete it
// (Book.Choose). It is kept so that it can be told without asking S3 for each original
// whether the recipes of another day would do something else.
type Asked struct {
	Recipe string            `json:"recipe,omitempty"` // empty: none
	Params map[string]string `json:"params,omitempty"` // raw
}

// Source is the uploaded object as it was when it was read.
type Source struct {
	Bucket      string `json:"bucket"`
	Key         string `json:"key"`
	ETag        string `json:"etag"` // without quotes
	VersionID   string `json:"versionId,omitempty"`
	Sequencer   string `json:"sequencer,omitempty"` // of the S3 event; orders events of one key
	Bytes       int64  `json:"bytes"`
	Width       int    `json:"width,omitempty"`  // pixels, after orientation
	Height      int    `json:"height,omitempty"` // pixels, after orientation
	Format      string `json:"format,omitempty"` // "jpeg", "png", "webp", "gif", "tiff", "heif", "avif"
	ContentType string `json:"contentType,omitempty"`
}

// MaxAsset is the largest asset that is read, in bytes.
const MaxAsset = 10_000_000

// Asset is a further picture that a job needed, a watermark for instance, as it was when it
// was read. The hash of a recipe knows its key alone.
type Asset struct {
	Key  string `json:"key"`  // in the uploads bucket
	ETag string `json:"etag"` // without quotes
}

// Result is one stored output.
type Result struct {
	Name        string `json:"name"` // as in the recipe: "full", "large", "thumb"
	Key         string `json:"key"`  // in the results bucket
	ContentType string `json:"contentType"`
	Format      string `json:"format"`
	Width       int    `json:"width"`  // pixels
	Height      int    `json:"height"` // pixels
	Bytes       int64  `json:"bytes"`
	SHA256      string `json:"sha256"`              // hexadecimal
	Quality     int    `json:"quality,omitempty"`   // with which it was written; 0: the format has none
	ThumbHash   string `json:"thumbHash,omitempty"` // base64; https://evanw.github.io/thumbhash/

	OverTarget    bool   `json:"overTarget,omitempty"`    // larger than Output.TargetBytes: even the lowest quality was
	DominantColor string `json:"dominantColor,omitempty"` // "#rrggbb": the colour that the picture has most of
}

// Failure says why an image could not be processed.
type Failure struct {
	Code    string `json:"code"`    // fault.Code…
	Message string `json:"message"` // for the person whose image it is
	Hint    string `json:"hint,omitempty"`
}

// Timings are the instants and durations of one image's way.
type Timings struct {
	Uploaded  time.Time `json:"uploaded"`  // eventTime of the S3 event
	Started   time.Time `json:"started"`   // a worker began
	Finished  time.Time `json:"finished"`  // outputs stored, manifest about to be written
	FetchMS   int64     `json:"fetchMs"`   // milliseconds
	ProcessMS int64     `json:"processMs"` // milliseconds
	StoreMS   int64     `json:"storeMs"`   // milliseconds
}

// Current reports whether m is the result of exactly this source and this job, so
// that doing the work again would change nothing.
func (m *Manifest) Current(etag, versionID, recipeHash string) bool {
	return m != nil && m.Source.ETag == etag && m.Source.VersionID == versionID && m.RecipeHash == recipeHash
}
