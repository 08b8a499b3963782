// Package client is a client of a kvs cluster's REST API.
//
// It chooses among several endpoints, repeats requests that are safe to repeat, and returns typed errors that say what
// is certain about a write. It is not a cache and keeps no session: two reads may be answered by different members, and
// with eventual consistency the second may show an older version.
//
// # What is tried again
//
// A read is tried again after a broken connection and after every answer that calls itself retryable. A write is tried
// again only when it is certain that it did not happen: the connection was refused, or the answer says not_applied.
// When a write's outcome is unknown, the error says so and the caller decides, because repeating it is not harmless:
// between the two attempts another client may have written, and the repetition would silently cover that newer value,
// as if it had been the later one.
//
//	A: PUT color=red    (applied, but the answer is lost)
//	B: GET color -> red, PUT color=green
//	A: PUT color=red    (again: green is overwritten, and B gets no error)
//
// Set Options.RetryUnknown when no other client writes the path, or when that is acceptable.
//
// The next attempt goes to the next endpoint at once. Only when all have been tried does the client wait, longer each
// round.
//
// Begin with New and Options; Error says what can go wrong.
package client
