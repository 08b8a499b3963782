// Package rest is the door for clients and peers: HTTP requests in, operations for the core out, and answers as
// openapi.yaml in node/api promises them.
//
// It decides nothing about data: it checks what a request says, asks the core or the view, and words the answer. It
// does not know what a batch of frames from a peer contains, nor how the core runs.
//
// # Ownership
//
// fiber and fasthttp reuse every buffer of a request for the next one. Whatever outlives a handler is copied once, at
// the edge: the path when it is decoded, the Content-Type and the body when a node.Request is made. Values on their way
// out are not copied: a node.Record's value is never written to again.
//
// Bodies are read raw. fiber's Ctx.Body would undo a Content-Encoding, and even hand out the text of an error as the
// body.
//
// # Writes
//
// A write reaches the core only when the whole request has arrived and has been checked: a body cut short writes
// nothing. Once it is with the core, its client's going away changes nothing; an answer that does not come in time is
// "unknown".
//
// Begin with Options and New in options.go and server.go, which also lists the routes; kv.go holds the operations,
// params.go the rules for paths and parameters, problem.go the errors, listener.go what happens to connections.
package rest
