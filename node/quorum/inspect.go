package quorum

import (
	"slices"

	"kvs/node/contract"
	"kvs/node/slot"
)

// Idle reports whether nothing is under way, stragglers included.
func (m *Machine) Idle() bool { return m.open == 0 && len(m.ops) == 0 }

// AppendOpen appends the operations under way, in the order in which they began, to a list for people. Nothing in the
// core reads it.
func (m *Machine) AppendOpen(out []contract.OpenOperation) []contract.OpenOperation {
	for _, o := range m.ops {
		if !o.answered {
			out = append(out, m.describe(o))
		}
	}
	return out
}

func (m *Machine) describe(o *operation) contract.OpenOperation {
	open := contract.OpenOperation{
		Request: o.request.ID, Op: o.request.Op, Level: contract.Quorum, Path: o.request.Path, Waits: "copies",
		Disk: o.local > m.Durable,
	}
	if o.fetching {
		open.Waits = "what members hold"
	}
	for _, p := range m.Peers {
		if !slices.Contains(o.done, p.ID) && m.InForce.Votes(p.ID) {
			open.Members = append(open.Members, p.ID)
		}
	}
	return open
}

// ReplaceValues implements slot.Replaceable.
func (o *operation) ReplaceValues(by slot.Replacer) (inside bool) {
	if o.record != nil {
		o.record = slot.ReplaceEncoded(o.request.Path, o.record, by)
	}
	return true
}
