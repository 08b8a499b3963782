package checks

import (
	"slices"

	"kvs/node"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/sim"
	"kvs/sim/kvs/checks/asked"
	"kvs/sim/kvs/member"
	"kvs/sim/kvs/world"
)

// chosenCheck checks the disks when the cluster acknowledges a linearizable write: a majority of the voters has that
// version, or a later one, or has dropped a tombstone at least as high by the rule. If the configuration has changed
// since the write was chosen, a majority of the former voters counts. A member that answers to the one that has
// forwarded a write acknowledges it, by its own configuration; the one that relays the answer may be an epoch behind. A
// voter whose disk was wiped since, or whose copy is rotten, counts as if it had it.
type chosenCheck struct {
	check
	paths map[uint64]string     // of operations that were forwarded, by round.
	told  map[node.Version]bool // versions that members have acknowledged to those that forwarded them.
}

func newChosenCheck(w *world.World) *chosenCheck {
	on := sim.Events(sim.EventReplied, sim.EventSent)
	return &chosenCheck{check{w, promiseChosen, on}, make(map[uint64]string), make(map[node.Version]bool)}
}

// Observe implements sim.Checker.
func (k *chosenCheck) Observe(e *sim.Event) {
	if e.Kind == sim.EventSent {
		k.sent(k.w.Of(e.Replica), e.Send.Data)
	} else if c, resp := e.Call.State.(*world.Call), &e.Reply.Body.(*member.Answered).Response; c.Acknowledged(resp) &&
		resp.Level == node.Linearizable && !k.told[resp.Record.Version()] {
		k.acknowledged(k.w.Of(e.Replica), c.Request.Path, resp.Record.Version())
	}
}

// sent looks for operations that go to other members, and for the answers.
func (k *chosenCheck) sent(r *world.Replica, data []byte) {
	if f := asked.Forwards(data); f != nil {
		k.paths[f.Round] = f.Request.Path
	}
	if a := asked.Forwarded(data); a != nil && asked.Applied(a) {
		k.told[a.Response.Record.Version()] = true
		k.acknowledged(r, k.paths[a.Round], a.Response.Record.Version())
	}
}

// acknowledged is called when a member acknowledges a linearizable write.
func (k *chosenCheck) acknowledged(r *world.Replica, path string, v node.Version) {
	config := r.Node.Config()
	if config == nil {
		k.bad(r.Number, path, "acknowledges a linearizable write without a configuration")
	} else if now, before, ok := k.chosenBy(config, path, v); !ok {
		k.bad(r.Number, path, "acknowledges version %s, which %d of %d voters have on disk, "+
			"and %d of %d before the last change", v.ETag(), now, len(config.Voters), before, len(config.Previous))
	}
}

// chosenBy counts the voters of a configuration, and of the one before, that have a version; ok: they are enough.
func (k *chosenCheck) chosenBy(c *node.Config, path string, v node.Version) (now, before int, ok bool) {
	now, before = k.holders(c.Voters, path, v), k.holders(c.Previous, path, v)
	return now, before, now >= c.Majority() || len(c.Previous) > 0 && before >= len(c.Previous)/2+1
}

// holders counts the voters that have a version, or one after it, on disk.
func (k *chosenCheck) holders(voters []node.ID, path string, v node.Version) int {
	holds := len(voters)
	for i := range k.w.Replicas {
		other := &k.w.Replicas[i]
		if _, votes := slices.BinarySearch(voters, other.ID); !votes {
			continue
		}
		b, found, err := other.Store().Get(schema.PrefixRecord + path)
		if err != nil {
			continue
		}
		slot, err := slot.Decode(path, b)
		if (!found || err != nil || slot.Top() < v.TS) && !other.Rotten[path] &&
			!k.w.Disks.HasEnded(other.Number, path, v.TS) {
			holds--
		}
	}
	return holds
}
