// Package diagnosis says what is wrong with nodes and their cluster, in words, and what helps: from what the members
// say of themselves.
//
// kvs doctor and the overview of a node say the same, because both ask here. It sends nothing, and looks at no machine:
// what only the machine of a node knows is in cmd/kvs/ops.
//
// Begin with Node, about one member, and Views, about all of them.
package diagnosis

import (
	"fmt"

	"kvs/node/api"
)

// How bad a finding is.
const (
	Problem = "problem" // something does not work, or soon will not.
	Warning = "warning" // it works, and is not as it should be.
	Fine    = "ok"
)

// Findings gather, in the order of the checks.
type Findings struct {
	Subject string // of what is added: the name of a node, or "cluster NAME".
	List    []api.Finding
}

// Add adds what a check has found, and what to do about it; do may be empty.
func (f *Findings) Add(severity, check, do, format string, args ...any) {
	f.List = append(f.List, api.Finding{Severity: severity, Subject: f.Subject, Check: check,
		What: fmt.Sprintf(format, args...), Do: do})
}

// WellUnless adds that a check found nothing, if nothing has been added since there were n findings.
func (f *Findings) WellUnless(n int, check string) {
	if len(f.List) == n {
		f.List = append(f.List, api.Finding{Severity: Fine, Subject: f.Subject, Check: check})
	}
}
