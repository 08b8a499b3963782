package configuration

import (
	"slices"

	"kvs/node/contract"
	"kvs/node/slot"
)

// OpenChange is a change of the voters or of the strong prefixes that waits for voters.
type OpenChange struct {
	Request uint64 // Request.ID; zero: no client waits for it.
	Op      contract.OpKind
	Path    string    // the ID of the voter that comes or goes; empty for a change of the strong prefixes.
	Missing []slot.ID // voters that are not known to have caught up, sorted.
}

// OpenChange is the change whose round has not begun, or that waits for its epoch to be stable; open: there is one.
func (m *Machine) OpenChange() (out OpenChange, open bool) {
	c := m.change
	if c == nil || c.begun {
		return OpenChange{}, false
	}
	out = OpenChange{Op: contract.OpPolicy}
	switch {
	case c.add != 0:
		out.Op, out.Path = contract.OpPromote, c.add.String()
	case c.remove != 0:
		out.Op, out.Path = contract.OpDemote, c.remove.String()
	}
	if c.request != nil {
		out.Request = c.request.ID
	}
	if m.InForce != nil {
		for _, id := range m.InForce.Voters {
			if !slices.Contains(c.passed, id) {
				out.Missing = append(out.Missing, id)
			}
		}
	}
	return out, true
}
