// Package wire is the protocol layer that the endpoint's SQS and SNS share: AWS
// JSON 1.0 and AWS Query (form in, XML out), with the SDK's own input and output
// structs as the server's types.
//
// A service is a table: operations by name (see [Op]), how its Query members are
// spelled ([Naming]), and where its JSON differs from the structs' field names. One
// reflecting codec does the rest, so that no operation has code for a protocol.
//
// Formats: https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html,
// https://smithy.io/2.0/aws/protocols/aws-query-protocol.html.
//
// It imports only the standard library and the SDK's types that describe shapes.
package wire
