// Package rest is the HTTP server for clients and peers: it turns requests into operations for the core, and sends the
// answers that openapi.yaml in node/api specifies.
//
// It makes no decisions about data: it checks a request, asks the core or the view, and encodes the answer. It does not
// decode the frames of a peer's batch, and does not run the core.
//
// # Ownership
//
// fiber and fasthttp reuse every buffer of a request for the next one. Data that outlives a handler is copied once, at
// the edge: the path when it is decoded, the Content-Type and the body when a node.Request is made. Values of answers
// are not copied: a node.Record's value is never written to again.
//
// Bodies are read raw. fiber's Ctx.Body would undo a Content-Encoding, and even hand out the text of an error as the
// body.
//
// # Writes
//
// A write reaches the core only when the whole request has arrived and has been checked: a body cut short writes
// nothing. Once the core has it, it goes on even if the client disconnects; if the answer does not come in time, the
// outcome is "unknown".
//
// Begin with Options and New in options.go and server.go, which also lists the routes; kv.go holds the operations,
// params.go the rules for paths and parameters, problem.go the errors, listener.go the bounds on connections.
package rest
