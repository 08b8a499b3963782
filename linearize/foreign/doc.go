// Package foreign reads the histories of other tools into those of package linearize: Jepsen's EDN (jepsen.go), and
// the logs that porcupine tests itself with (porcupine.go).
//
// Other tools have one order of events and no intervals on a clock that matter: event n of a file happens at n
// nanoseconds.
//
// It judges nothing, and it guesses nothing: what it does not understand is an error with its line. Begin with
// foreign.go.
package foreign
