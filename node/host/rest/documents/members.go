package documents

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/swim"
)

// Members is the member table for clients.
func Members(snap *Snapshot) []api.Member {
	out := make([]api.Member, 0, len(snap.Members))
	joined := joinOrder(snap.Members)
	for i, m := range snap.Members {
		line := api.Member{
			ID: m.ID.String(), Name: m.Name, Address: m.Addr, State: m.State.String(), Incarnation: m.Incarnation,
			Born: node.Timestamp(m.Born).String(), Self: m.ID == snap.ID, Joined: slices.Index(joined, m.ID) + 1,
			Since: snap.Started.UTC(), Hint: memberHint(snap.Members, &m),
		}
		switch {
		case m.State.Gone():
			line.Since = time.UnixMilli(int64(m.GoneAt)).UTC()
		case i < len(snap.Since):
			line.Since = snap.Started.Add(max(snap.Since[i]-snap.Status.Started, 0)).UTC()
		}
		out = append(out, line)
	}
	return out
}

// joinOrder is the members in the order of joining.
func joinOrder(members []swim.Member) []node.ID {
	there := slices.DeleteFunc(slices.Clone(members), func(m swim.Member) bool { return m.State.Gone() })
	slices.SortFunc(there, func(a, b swim.Member) int {
		if c := cmp.Compare(a.Born, b.Born); c != 0 {
			return c
		}
		return cmp.Compare(a.ID, b.ID)
	})
	ids := make([]node.ID, len(there))
	for i := range there {
		ids[i] = there[i].ID
	}
	return ids
}

// memberHint says what to do about a dead member whose address a younger one has: it probably lost its disk, which only
// an operator can know for sure; and about two living members of one name, which people could not distinguish. At one
// address the two cannot both be alive: then the death of the elder is just not known yet.
func memberHint(all []swim.Member, m *swim.Member) string {
	for i := range all {
		o := &all[i]
		switch {
		case o.ID == m.ID:
		case m.State == swim.Dead && o.State <= swim.Suspect && o.Born > m.Born &&
			(o.Name == m.Name || o.Addr == m.Addr):
			return fmt.Sprintf("replaced by %s? If its data is lost: kvs members remove %s", o.ID, m.ID)
		case m.State == swim.Alive && o.State == swim.Alive && o.Name == m.Name && o.Addr != m.Addr:
			return fmt.Sprintf("%s at %s has the same name: give one of them another in its configuration", o.ID,
				o.Addr)
		}
	}
	return ""
}
