package tombstones

import (
	"slices"

	"kvs/node/contract"
	"kvs/node/slot"
	"kvs/node/step"
	"kvs/node/wire"
)

// gravesMax bounds the dropped tombstones that a member remembers.
const gravesMax = 1 << 16

// graves remembers dropped tombstones, and forgets the oldest first.
type graves struct {
	byPath map[string]slot.Version
	ring   []wire.HeldVersion
	next   int
}

func (g *graves) put(path string, v slot.Version) {
	if g.byPath == nil {
		g.byPath = make(map[string]slot.Version)
	}
	g.byPath[path] = v
	if len(g.ring) < gravesMax {
		g.ring = append(g.ring, wire.HeldVersion{Path: path, Version: v})
		return
	}
	if old := g.ring[g.next]; g.byPath[old.Path] == old.Version && old.Path != path {
		delete(g.byPath, old.Path)
	}
	g.ring[g.next] = wire.HeldVersion{Path: path, Version: v}
	g.next = (g.next + 1) % gravesMax
}

func (g *graves) holds(path string, v slot.Version) bool {
	w, ok := g.byPath[path]
	return ok && v == w
}

// buried reports whether nothing is held under a path because exactly this version of it was dropped.
func (m *Machine) buried(path string, v slot.Version) bool {
	if !m.graves.holds(path, v) {
		return false
	}
	h, err := m.Current(path)
	return err == nil && h.Record == nil
}

// RefuseBuried reports whether a slot from a peer is one that all members have had and this one has dropped. Then the
// peer gets a message to drop it too.
func (m *Machine) RefuseBuried(from *step.Peer, path string, in *slot.Slot) bool {
	v := in.Version()
	if !m.buried(path, v) {
		return false
	}
	if m.echoTo != from.ID {
		m.SendEcho()
	}
	m.echoTo = from.ID
	m.echo = append(m.echo, wire.HeldVersion{Path: path, Version: v})
	if len(m.echo) == wire.CollectMax {
		m.SendEcho()
	}
	return true
}

// SendEcho sends the result again for tombstones that came back.
func (m *Machine) SendEcho() {
	if p := m.Peer(m.echoTo); p != nil && len(m.echo) > 0 {
		word := wire.Collected{Floors: slices.Clone(m.stamps.floors), Fence: m.stamps.fence, Paths: m.echo}
		i, _ := findFloor(word.Floors, m.Self)
		word.Floors = slices.Insert(word.Floors, i, wire.Floor{Member: m.Self, Stamp: m.acked})
		m.Send(contract.TransportFrame, p.Addr, m.Persists, m.Frame(wire.KindCollected, &word))
	}
	m.echo, m.echoTo = nil, 0
}
