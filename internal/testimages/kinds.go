package testimages

import (
	"embed"
	"path"
)

//go:embed kinds/*.jpg
var kinds embed.FS

// JPEGKinds returns the same small photograph, of odd width and height, in the kinds of
// JPEG that there are: by how chroma is sampled ("444", "422", "440", "420", "411", "odd"),
// "progressive" and "progressive-444", with a restart marker behind each row ("restart"),
// "gray", stored as RGB ("rgb"), and with arithmetic coding ("arithmetic"), which few
// programs read.
func JPEGKinds() map[string][]byte {
	files := make(map[string][]byte)
	entries, err := kinds.ReadDir("kinds")
	must(err)
	for _, e := range entries {
		b, err := kinds.ReadFile(path.Join("kinds", e.Name()))
		must(err)
		files[e.Name()[:len(e.Name())-len(".jpg")]] = b
	}
	return files
}
