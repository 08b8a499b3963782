package node

import "slices"

// graves remembers what was dropped, the oldest going first.
type graves struct {
	byPath map[string]Version
	ring   []heldVersion
	next   int
}

func (g *graves) put(path string, v Version) {
	if g.byPath == nil {
		g.byPath = make(map[string]Version)
	}
	g.byPath[path] = v
	if len(g.ring) < gravesMax {
		g.ring = append(g.ring, heldVersion{path, v})
		return
	}
	if old := g.ring[g.next]; g.byPath[old.path] == old.Version && old.path != path {
		delete(g.byPath, old.path)
	}
	g.ring[g.next] = heldVersion{path, v}
	g.next = (g.next + 1) % gravesMax
}

func (g *graves) holds(path string, v Version) bool {
	w, ok := g.byPath[path]
	return ok && v == w
}

// buried reports whether nothing is held under a path because just this version of it was dropped.
func (n *Node) buried(path string, v Version) bool {
	if !n.collection.graves.holds(path, v) {
		return false
	}
	h, err := n.current(path)
	return err == nil && h.record == nil
}

// refuseBuried reports whether a slot that a peer sends is one that all members have had and this one has dropped. The peer is
// told to drop it too.
func (n *Node) refuseBuried(from *peer, path string, in *Slot) bool {
	v := in.version()
	if !n.buried(path, v) {
		return false
	}
	c := &n.collection
	if c.echoTo != from.id {
		n.sendEcho()
	}
	c.echoTo = from.id
	c.echo = append(c.echo, heldVersion{path, v})
	if len(c.echo) == collectMax {
		n.sendEcho()
	}
	return true
}

// sendEcho repeats the word about what came back.
func (n *Node) sendEcho() {
	c := &n.collection
	if p := n.peer(c.echoTo); p != nil && len(c.echo) > 0 {
		word := gone{floors: slices.Clone(n.stamps.floors), fence: n.stamps.fence, paths: c.echo}
		i, _ := slices.BinarySearchFunc(word.floors, n.id, func(f floor, id ID) int { return compareID(f.member, id) })
		word.floors = slices.Insert(word.floors, i, floor{n.id, c.acked})
		n.send(TransportFrame, p.addr, n.persists, n.encodeGoneWord(&word))
	}
	c.echo, c.echoTo = nil, 0
}
