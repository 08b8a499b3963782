// Package foreign reads the histories of other tools into those of package linearize: Jepsen's EDN (jepsen.go), and
// the logs that porcupine tests itself with (porcupine.go).
//
// In other tools only the order of events matters, not their times: event n of a file happens at n nanoseconds.
//
// It does not judge, and does not guess: unknown input is an error with its line. Begin with foreign.go.
package foreign
