// Package cost reckons what a deployment costs on AWS: from the requests that the program makes
// for each image, the bytes that it keeps, and the time that it computes. It asks nobody; of
// ours it imports the table of prices alone.
package cost

import "fmt"

// PerImage is what the program asks of AWS for one image, at load: a queue that is never empty.
// internal/e2e counts the real tiers' requests and holds this table to them, so that a change
// which makes more of them fails there.
var PerImage = Factors{
	AppGets:       1,
	AppHeads:      1,
	AppManifests:  1,
	AppPublishes:  1,
	AppReceives:   1,
	AppDeletes:    1,
	WebReceives:   1,
	WebDeletes:    1,
	ListenerLists: 1,
}

// Factors are requests per image; what grows with a recipe's outputs is added to them.
type Factors struct {
	// AppGets are the app tier's GETs from S3: the original. An object that another program has
	// put there costs one more, a look for a manifest that may be there.
	AppGets float64
	// AppHeads are its HEADs, of the original: is it still there, still the same? They cost as GETs do.
	AppHeads float64
	// AppManifests are its PUTs beside one for each output.
	AppManifests float64
	// AppPublishes are its announcements to SNS. S3 publishes one more for each upload.
	AppPublishes float64
	// AppReceives and AppDeletes are its requests to the work queue, at most: images so large
	// that each ends alone. Smaller ones share them.
	AppReceives, AppDeletes float64
	// WebReceives and WebDeletes are each web tier's requests to its own queue, at most:
	// images that come one by one. A busy one has up to ten in each.
	WebReceives, WebDeletes float64
	// ListenerLists is how often a web tier with listeners lists presences, in an interval.
	ListenerLists float64
}

const (
	// hoursOfMonth are those of thirty days.
	hoursOfMonth = 30 * 24
	// pollSeconds is how long an empty receive waits.
	pollSeconds = 20
	// idlePresence is how much longer the interval of an app process without work is.
	idlePresence = 6
)

// Table is the factors as docs/deploy.md has them.
func Table() string {
	f := PerImage
	return fmt.Sprintf(`| asked for one image, at load | S3 PUT | S3 GET, HEAD | SNS publish | SQS receive | SQS delete |
|---|---|---|---|---|---|
| by whoever uploads, and S3 | 1 | | 1 | | |
| by the app tier | outputs + %v | %v | %v | at most %v | at most %v |
| by each web tier | | | | at most %v | at most %v |
`, f.AppManifests, f.AppGets+f.AppHeads, f.AppPublishes, f.AppReceives, f.AppDeletes, f.WebReceives, f.WebDeletes)
}
