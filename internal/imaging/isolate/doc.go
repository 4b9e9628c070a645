// Package isolate processes images in child processes, so that a hostile or unlucky one
// fails alone: a crash in a C library, a file that never ends or eats all memory cost one
// child and one image.
//
// A child is this very program, started anew with the argument "imaging-child". Programs
// (and test binaries) that make a Pool call Main first thing in main (and TestMain).
//
// What the two say to each other: frame.go (bytes), message.go (meaning). The parent
// takes every byte of a child for a lie until it is checked: lengths, names, formats,
// sizes, codes. What a child may still do once it is confined is in landlock_linux.go
// (files, asked for by the parent before the child exists), seccomp_linux.go (system
// calls, put on by the child itself once libvips is up) and confine_unix.go (limits). The
// parent measures time, processor time and memory, and kills.
//
// Of ours it imports internal/fault, internal/recipe, internal/imaging and sniff.
package isolate
