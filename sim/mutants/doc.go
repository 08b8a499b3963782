// Package mutants reads small named bugs, each a text edit of a source, that prove that a simulation finds them.
//
// Each file NAME.mutant is one bug: its description, its source, and the exact text that it replaces. The edits are
// applied with `go build -overlay` and never touch the shipped code; the command `mutants` of kvs/sim/simcmd builds and
// hunts them. It is not a mutation generator: every bug was made by a person, or could be. The folder list has those of
// kvs. Begin with Load.
package mutants
