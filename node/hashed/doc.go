// Package hashed makes recordings that may be passed on: of a recording of node/recorder another one, in which every
// value is replaced by a hash of the same length, and which kvs/node/relive runs as the first one.
//
// The same value has the same hash within one recording, and nothing else in it depends on a value: the core compares
// versions, not values. The hashes are keyed with a salt that is not kept, so that short values cannot be found by
// trying. Paths, content types, the names and addresses of members, times and sizes stay.
//
// A recording has sums over the effects that the node had, and so over values. They cannot stay. So the recording is
// run again with the values first, and compared; then it is run with the hashes, and has the sums of that. The heads of
// the new recording say what the comparison found (recorder.Checked).
//
// Begin with Write.
package hashed
