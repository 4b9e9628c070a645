// Package testimages gives tests their pictures: photographs, generated images of
// every kind that matters, and files that are bad in a known way.
//
// For tests alone; no package of the program imports it. Everything is made anew on
// each call (a caller may scribble on it) and is the same on every machine. Of ours it
// imports only internal/fault, for the codes that bad files must lead to. Where the
// photographs come from is in photos/README.md.
package testimages

import "embed"

//go:embed photos/*.jpg photos/*.png
var photos embed.FS

// File is an image file and its name.
type File struct {
	Name        string // "rocket.jpg"
	ContentType string
	Width       int // pixels, as shown
	Height      int
	Bytes       []byte
}

// Photos returns all photographs: colour and gray, JPEG and PNG.
func Photos() []File {
	files := []File{
		{Name: "rocket.jpg", ContentType: "image/jpeg", Width: 640, Height: 427},
		{Name: "hubble.jpg", ContentType: "image/jpeg", Width: 1000, Height: 872},
		{Name: "coffee.png", ContentType: "image/png", Width: 600, Height: 400},
		{Name: "chelsea.png", ContentType: "image/png", Width: 451, Height: 300},
		{Name: "camera.png", ContentType: "image/png", Width: 512, Height: 512},
	}
	for i := range files {
		b, err := photos.ReadFile("photos/" + files[i].Name)
		if err != nil {
			panic("testimages: " + err.Error()) // the list and the directory are of one commit
		}
		files[i].Bytes = b
	}
	return files
}

// Photo returns one photograph, a JPEG of 640 × 427 pixels (110 KB).
func Photo() []byte { return Photos()[0].Bytes }
