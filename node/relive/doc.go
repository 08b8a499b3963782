// Package relive runs the core of a node again over what a recorder wrote down, and compares each effect with the
// recorded one. It is the same core as in production and in the simulator; the store is what the recording says was
// read.
//
// Begin with Run.
package relive
