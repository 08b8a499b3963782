// Package simcmd is the command line over simulated systems: run, soak, replay, shrink, check, traces, scenarios and
// mutants work for every system that a program registers, and ten lines make a program of one's own:
//
//	func main() { simcmd.Main(mine) }
//
// `run` runs one seed and prints what it drew, what broke and how to repeat it; `soak` runs many in worker processes;
// `replay` runs a saved scenario file; `shrink` makes a failure small; `mutants` plants known bugs and counts the runs
// until each is found; `check` judges a saved history; `traces` prints trace hashes, to compare two builds. The answer
// goes to stdout, commentary to stderr. Exit codes: see ExitOK.
//
// It contains no logic of a simulation: see package sim. Workers are further processes of the same program, started
// with hidden commands, so a program's main must do nothing before Main that a worker must not do. Begin with App and
// System.
package simcmd
