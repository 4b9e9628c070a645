// Package timerslack makes a program's timers coarser: a program that imports it, for nothing but that,
// lets each be late by half a millisecond on Linux, where 50 µs are usual.
//
// The scheduler of a busy Go program has a thread that sleeps for 20 µs at a time, thousands
// of times a second. On a virtual machine each of these wakes costs 10 µs and more: a
// tenth of what an app tier itself takes for an image (docs/adr/0037). Nothing of ours is measured in less
// than milliseconds.
package timerslack
