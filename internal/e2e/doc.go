// Package e2e holds tests of the whole program: real processes of the built binary,
// real HTTP between them, real clients, real kills. It has no code of its own.
package e2e
