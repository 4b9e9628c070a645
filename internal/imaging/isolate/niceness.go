//go:build unix

package isolate

// niceness is the priority of children, as of nice(1): what else wants a core gets it at once, and
// nine tenths of it. On a machine of its own an app tier loses nothing by this; on one that it
// shares with the endpoint and the web tier, uploads do not wait for images. More, up to running when
// nobody else does, would let an image on a busy machine take longer than one may (docs/adr/0037).
const niceness = 10
