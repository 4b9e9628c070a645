package audit

// State is where an upload stands.
type State string

// The states of an upload.
const (
	Done         State = "done"         // its manifest is of the original as it stands
	Failed       State = "failed"       // so it is, and says why there are no results
	Queued       State = "queued"       // no current result; its message is, or may be, in the queue
	DeadLettered State = "deadLettered" // no current result; its message is in the dead-letter queue
	Ignored      State = "ignored"      // a rule says that it is no image
	Shadowed     State = "shadowed"     // a later file has the same id, and the result is that one's
	Moving       State = "moving"       // it changed each time it was looked at: look again later
	Unknown      State = "unknown"      // it may be among dead letters that were not looked at
	Lost         State = "lost"         // no current result, and no message that would bring one
)

// Code names a kind of finding.
type Code string

// The kinds of finding. Those up to TornOutput are violations.
const (
	LostUpload         Code = "lost"
	UnreadableManifest Code = "manifest_unreadable" // what stands at its key is no manifest
	MisplacedManifest  Code = "manifest_misplaced"  // it is of another image or another bucket
	IncompleteManifest Code = "manifest_incomplete" // it says nothing of how the image ended
	MissingOutput      Code = "output_missing"      // a manifest names it
	WrongSize          Code = "output_size"         // it is not as long as the manifest says
	ElsewhereOutput    Code = "output_elsewhere"    // its key is not under the image's id
	TornOutput         Code = "output_torn"         // its bytes are not those that the manifest says
	SweptOutput        Code = "output_swept"        // Sweep removed it while a new result came to name it

	Orphan     Code = "orphan"      // a manifest whose original is not there any more
	SharedID   Code = "shared_id"   // two originals under one id
	ShortQueue Code = "queue_short" // more uploads wait than there are messages
	Crowded    Code = "crowded"     // more objects under one id than are looked at
)

var violations = map[Code]bool{
	LostUpload: true, UnreadableManifest: true, MisplacedManifest: true, IncompleteManifest: true,
	MissingOutput: true, WrongSize: true, ElsewhereOutput: true, TornOutput: true, SweptOutput: true,
}

// Severity says whether a finding breaks a promise.
type Severity string

// The severities.
const (
	Violation Severity = "violation"
	Warning   Severity = "warning"
)

// Finding is one thing that is not as it should be.
type Finding struct {
	Code     Code     `json:"finding"`
	Severity Severity `json:"severity"`
	ID       string   `json:"id,omitempty"`     // empty where it is about no single image
	Key      string   `json:"key,omitempty"`    // of the original, where that is known
	Object   string   `json:"object,omitempty"` // key in the results bucket
	Detail   string   `json:"detail"`
	Hint     string   `json:"hint,omitempty"`
}

// Images counts uploads by state; Failures counts those that failed by code.
type Images struct {
	Total        int64            `json:"total"`
	Done         int64            `json:"done"`
	Failed       int64            `json:"failed"`
	Failures     map[string]int64 `json:"failures,omitempty"`
	Queued       int64            `json:"queued"`
	QueuedSeen   int64            `json:"queuedSeen"` // of Queued: the message was seen
	DeadLettered int64            `json:"deadLettered"`
	Ignored      int64            `json:"ignored"`
	Shadowed     int64            `json:"shadowed"`
	Moving       int64            `json:"moving"`
	Unknown      int64            `json:"unknown"`
	Lost         int64            `json:"lost"`
}

// stand is where one upload stands.
type stand struct {
	state State
	code  string // of a failure
	seen  bool   // of Queued
}

func (i *Images) add(s stand) {
	i.Total++
	switch s.state {
	case Done:
		i.Done++
	case Failed:
		i.Failed++
		if i.Failures == nil {
			i.Failures = map[string]int64{}
		}
		i.Failures[s.code]++
	case Queued:
		i.Queued++
		if s.seen {
			i.QueuedSeen++
		}
	case DeadLettered:
		i.DeadLettered++
	case Ignored:
		i.Ignored++
	case Shadowed:
		i.Shadowed++
	case Moving:
		i.Moving++
	case Unknown:
		i.Unknown++
	case Lost:
		i.Lost++
	}
}

// Results counts what lies in the results bucket.
type Results struct {
	Manifests     int64 `json:"manifests"`
	Outputs       int64 `json:"outputs"` // that manifests name
	OutputBytes   int64 `json:"outputBytes"`
	SourceGone    int64 `json:"sourceGone"` // manifests that say that the original was deleted before it was processed
	Leftovers     int64 `json:"leftovers"`  // outputs that no manifest names
	LeftoverBytes int64 `json:"leftoverBytes"`
	Own           int64 `json:"own"`     // objects under .tintype/
	Foreign       int64 `json:"foreign"` // objects that are not of Tintype's making
}

// Report is what an audit found.
type Report struct {
	Images       Images         `json:"images"`
	Results      Results        `json:"results"`
	OtherRecipe  int64          `json:"otherRecipe"`  // results of another recipe than the upload would get today
	OtherProgram int64          `json:"otherProgram"` // results that another version of the program made
	Queue        Counts         `json:"queue"`        // at the end
	Findings     map[Code]int64 `json:"findings,omitempty"`
	Violations   int64          `json:"violations"`
	Warnings     int64          `json:"warnings"`
	Narrowed     bool           `json:"narrowed,omitempty"` // only a part was looked at
}
