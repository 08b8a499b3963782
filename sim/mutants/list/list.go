// Package list has the mutants of kvs: bugs planted in this module's own source. See kvs/sim/mutants for the format,
// and the README there for what becomes of each.
package list

import "embed"

// Files are the mutants, one in each file NAME.mutant.
//
//go:embed *.mutant
var Files embed.FS
