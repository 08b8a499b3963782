// Package checks is what kvs promises, one promise a file: checkers that hear of the events of a world (package world),
// compare them with what the world knows, and judge once more at the end. A checker keeps what it alone needs.
//
// Begin with checks.go, which lists them. conflict_rule.go is a second reading of the rule by which conflicts are
// decided.
package checks
