package timerslack

import "C" // for the file in C, which runs before the Go runtime starts its threads
