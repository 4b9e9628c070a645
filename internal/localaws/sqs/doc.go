// Package sqs is the endpoint's Amazon SQS: standard and FIFO queues, durable in the shared
// store, spoken through package wire.
//
// How it is built, in the order a message meets it:
//
//   - A queue's messages are its spool (schema.go). Receiving is one index seek
//     whatever the backlog, and never touches a body it does not hand out. Purging a
//     queue or deleting it changes the spool's number; the old rows go in the background.
//   - Receivers that find nothing park at the queue's gate (gate.go) and cost nothing
//     but memory until a commit or a timer says that there is something.
//   - Receipt handles are signed (receipt.go) and name the receive they are from.
//   - The writer of package db is the only place where state changes, so each
//     operation is one transaction; what is kept in memory follows by commit hooks.
//   - A message's group in a standard queue is its tenant (fair.go): only while one has much
//     in flight are others looked for behind its backlog.
//   - A FIFO queue's messages are in groups (groups.go), each with its head: what is
//     behind a message in flight is never looked at, however much it is.
//
// API and limits follow
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/.
//
// It imports the sibling packages db and wire, and the SDK's structs.
package sqs
