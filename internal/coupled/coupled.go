// Package coupled is the call by which the coupled web tier has an image processed: what the
// two tiers agree on, and the web tier's end (the app tier's is the package process below it).
// It is the architecture that the events replace, kept because people come to believe in those by comparison,
// and because some callers want to wait for their answer.
//
//	POST /process?name=cat.jpg&recipe=tint&param.tint=%23ff8800     body: the image
//	POST /process?stored=<key>                                      no body: again, also with recipe and param
//	200 the manifest, as JSON; with &output=thumb the bytes of that output
//	4xx, 5xx a problem document; of an image that was taken and then failed, with its
//	address as instance
//
// Of ours it imports fault, problem and recipe.
package coupled

import (
	"strings"
	"time"
)

// Path is where the app tier is called.
const Path = "/process"

// The query's names.
const (
	QueryName   = "name"   // the file's
	QueryRecipe = "recipe" // empty: the default
	QueryStored = "stored" // key of an original that is there already
	QueryOutput = "output" // answer with the bytes of this output
	QueryParam  = "param." // followed by a parameter's name
)

// HeaderImage carries the image's id where the answer is not its manifest.
const HeaderImage = "Tintype-Image"

// CallTimeout bounds a whole call, from the first byte sent to the answer: an image may have
// to wait for a worker, and be tried in two child processes.
const CallTimeout = 10 * time.Minute

// ImagePath is an image's address at the web tier.
func ImagePath(id string) string { return "/api/images/" + id }

// ImageOf takes the id out of an image's address.
func ImageOf(path string) (id string, ok bool) { return strings.CutPrefix(path, "/api/images/") }
