package checks

import (
	"kvs/node"
	"kvs/sim"
	"kvs/sim/kvs/world"
)

// sessionCheck checks the guarantees for a client that stays with one replica: it reads its own writes, and reads never
// go back, crashes included. A disk that has shown or acknowledged a version of a path shows one at least as high from
// then on. Only the loss of the disk ends that.
type sessionCheck struct {
	check
	shown []map[string]node.Version // by number of the replica and path: the highest version its disk has shown.
}

func newSessionCheck(w *world.World) *sessionCheck {
	c := &sessionCheck{check: check{w, promiseSession, sim.Events(world.VersionShown, sim.EventWiped, sim.EventSwapped,
		sim.EventRotten)}}
	for range w.Nodes() + 1 {
		c.shown = append(c.shown, make(map[string]node.Version))
	}
	return c
}

// Observe implements sim.Checker.
func (c *sessionCheck) Observe(e *sim.Event) {
	n := e.Replica.Number
	switch e.Kind {
	case world.VersionShown:
		v := e.Own.(*world.ShownVersion)
		c.shows(n, v.Path, v.Record.Version())
	case sim.EventWiped:
		clear(c.shown[n])
	case sim.EventSwapped:
		c.shown[n], c.shown[e.Other.Number] = c.shown[e.Other.Number], c.shown[n]
	case sim.EventRotten:
		path, _ := world.CutRecordPrefix(e.Key)
		delete(c.shown[n], path)
	}
}

// shows checks a version that the disk of replica n shows.
func (c *sessionCheck) shows(n int, path string, v node.Version) {
	before := c.shown[n][path]
	switch {
	case v.TS == 0 && before.TS > 0 && c.w.Disks.HasEnded(n, path, before.TS):
		// it shows what the tombstone showed.
	case v.TS < before.TS: // among equal timestamps the winner may change as votes become known.
		c.bad(n, path, "shows version %s after %s", v.ETag(), before.ETag())
	default:
		c.shown[n][path] = v
	}
}
