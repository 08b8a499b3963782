// Package simtest runs simulated systems under `go test`. A test of one line runs a hundred seeds:
//
//	func TestLease(t *testing.T) {
//		simtest.Run(t, system, simtest.Seeds(1, 100), simtest.Options{})
//	}
//
// Each seed is a subtest. The first that fails prints what it drew, what broke, and the command that runs it again, and
// is made smaller. The result is kept as a scenario file, which the test runs first from then on, as `go test` does
// with the corpus of a fuzz test: commit the file, and it is a regression test.
//
// Everything happens in the process of the test, one seed after the other: for many seeds, on many cores, use the soak
// of kvs/sim/simcmd.
package simtest
