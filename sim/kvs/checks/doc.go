// Package checks is the promises of kvs, one in each file: checkers that receive the events of a world (package world),
// compare them with the state of the world, and judge once more at the end. State that only one checker needs is in the
// checker.
//
// Begin with checks.go, which lists them. conflict_rule.go is a second implementation of the rule by which conflicts
// are decided.
package checks
