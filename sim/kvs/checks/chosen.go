package checks

import (
	"slices"

	"kvs/node"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/sim"
	"kvs/sim/kvs/member"
	"kvs/sim/kvs/world"
)

// chosenCheck checks the disks when the cluster acknowledges a linearizable write: a majority of the voters has that
// version, or a later one, or has dropped a tombstone at least as high by the rule. If the configuration has changed
// since the write was chosen, a majority of the former voters counts. If another member has run the write, which is its
// origin, that member's configuration counts too: the one that has forwarded it may be behind. An answer to a write
// under an idempotency key that was decided before names no origin. A voter whose disk was wiped since, or whose copy
// is rotten, counts as if it had it.
type chosenCheck struct{ check }

func newChosenCheck(w *world.World) *chosenCheck {
	return &chosenCheck{check{w, promiseChosen, sim.Events(sim.EventReplied)}}
}

// Observe implements sim.Checker.
func (k *chosenCheck) Observe(e *sim.Event) {
	c, resp := e.Call.State.(*world.Call), &e.Reply.Body.(*member.Answered).Response
	if c.Acknowledged(resp) && resp.Level == node.Linearizable {
		k.acknowledged(k.w.Of(e.Replica), c.Request.Path, resp.Record.Version(), resp.Record.Origin)
	}
}

// acknowledged is called when a member acknowledges a linearizable write.
func (k *chosenCheck) acknowledged(r *world.Replica, path string, v node.Version, origin node.ID) {
	config := r.Node.Config()
	if config == nil {
		k.bad(r.Number, path, "acknowledges a linearizable write without a configuration")
		return
	}
	now, before, ok := k.chosenBy(config, path, v)
	for i := range k.w.Replicas {
		other := &k.w.Replicas[i]
		if !k.w.Own.Tuning.Forward || other.Node == nil || other.Node.Config() == nil {
			continue
		}
		if origin != 0 && other.ID != origin {
			continue
		}
		if ran := other.Node.Config(); !ok && ran.Epoch > config.Epoch {
			config = ran
			now, before, ok = k.chosenBy(config, path, v)
		}
	}
	if !ok {
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
