package step

import (
	"slices"
	"time"

	"kvs/node/invariant"
	"kvs/node/slot"
	"kvs/node/swim"
)

// Peer is another member that has not left: what each machine may know about it. The node's own loop of membership
// writes it. What one machine alone keeps about a peer stands in a PeerTable of that machine.
type Peer struct {
	ID     slot.ID
	Addr   string // "host:port".
	State  swim.State
	DiedAt time.Duration // when it was found dead; of no meaning while it is not.
	row    int           // of a PeerTable: the lowest that was free.
}

// Dead reports whether the members hold the peer for dead.
func (p *Peer) Dead() bool { return p.State == swim.Dead }

// Alive reports whether the peer answers: it is neither suspected nor dead.
func (p *Peer) Alive() bool { return p.State == swim.Alive }

// Peer is the peer of an identity; nil: there is none.
func (s *Shared) Peer(id slot.ID) *Peer {
	i, known := s.PeerIndex(id)
	if !known {
		return nil
	}
	return s.Peers[i]
}

// PeerIndex is where an identity stands in Peers, or would stand.
func (s *Shared) PeerIndex(id slot.ID) (i int, known bool) {
	return slices.BinarySearchFunc(s.Peers, id, func(p *Peer, id slot.ID) int { return slot.CompareID(p.ID, id) })
}

// AddPeer adds a peer that is not among Peers.
func (s *Shared) AddPeer(id slot.ID, addr string, state swim.State) *Peer {
	i, known := s.PeerIndex(id)
	invariant.That(!known, "a peer is added twice", "id", id)
	p := &Peer{ID: id, Addr: addr, State: state}
	for slices.ContainsFunc(s.Peers, func(q *Peer) bool { return q.row == p.row }) {
		p.row++
	}
	s.Peers = slices.Insert(s.Peers, i, p)
	return p
}

// RemovePeer takes the i-th peer out of Peers.
func (s *Shared) RemovePeer(i int) { s.Peers = slices.Delete(s.Peers, i, i+1) }

// RosterIndex is where an identity stands in Roster, or would stand.
func (s *Shared) RosterIndex(id slot.ID) (i int, known bool) {
	return slices.BinarySearchFunc(s.Roster, id, func(r slot.Seat, id slot.ID) int {
		return slot.CompareID(r.Member, id)
	})
}

// Replicas is the placement: which peers hold a path. Today that is all of them; nothing else may assume it.
func (s *Shared) Replicas(string) []*Peer { return s.Peers }

// PeerTable keeps a T for each peer, for the machine whose table it is. The zero value is an empty table.
type PeerTable[T any] struct{ rows []peerRow[T] }

type peerRow[T any] struct {
	peer *Peer
	kept *T
}

// Of is what the table keeps for a peer: at first a zero T. What was kept for a peer that has been removed is forgotten
// when another one takes its row.
func (t *PeerTable[T]) Of(p *Peer) *T {
	for len(t.rows) <= p.row {
		t.rows = append(t.rows, peerRow[T]{})
	}
	r := &t.rows[p.row]
	if r.peer != p {
		*r = peerRow[T]{p, new(T)}
	}
	return r.kept
}
