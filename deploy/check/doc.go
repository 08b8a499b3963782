// Package check is the tests of the files beside it: each is read by a library that also reads it where it is used.
// It is a module of its own, so that these libraries are no dependencies of kvs.
package check
