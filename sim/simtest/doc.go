// Package simtest runs simulated systems under `go test`. A test of one line runs a hundred seeds:
//
//	func TestLease(t *testing.T) {
//		simtest.Run(t, system, simtest.Seeds(1, 100), simtest.Options{})
//	}
//
// Each seed is a subtest. The first that fails says what it drew and what broke, prints the command that runs it again,
// and is made smaller; what is left is kept as a scenario file, which is the first thing that the test runs from then
// on. That is how `go test` treats the corpus of a fuzz test: commit the file, and it is a regression test.
//
// Everything happens in the process of the test, one seed after the other: for many seeds, on many cores, use the soak
// of kvs/sim/simcmd.
package simtest
