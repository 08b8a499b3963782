// Package mutants keeps small named bugs, each a text edit of the source, to prove that the simulator finds them.
//
// Each file list/NAME.mutant is one bug: what it is, where it is known from, and the exact text that it replaces. The edits are
// applied with `go build -overlay` and never touch the shipped code; `kvsim mutants` builds and hunts them. It is not a
// mutation generator: every bug here was made by people somewhere, or could be. Begin with All.
package mutants
