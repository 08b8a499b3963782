package step

import (
	"slices"
	"time"

	"kvs/node/invariant"
	"kvs/node/slot"
	"kvs/node/swim"
)

// Peer is another member that has not left: the data that all machines share about it. node/membership writes it. Data
// of one machine about a peer is in a PeerTable of that machine.
type Peer struct {
	ID     slot.ID
	Addr   string // "host:port".
	State  swim.State
	DiedAt time.Duration // when it was found dead; undefined while it is not dead.
	row    int           // its row in PeerTables: the lowest that was free.
}

// Dead reports whether the peer has been declared dead.
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

// PeerIndex is the index of an identity in Peers, or where it would be.
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

// RosterIndex is the index of an identity in Roster, or where it would be.
func (s *Shared) RosterIndex(id slot.ID) (i int, known bool) {
	return slices.BinarySearchFunc(s.Roster, id, func(r slot.Seat, id slot.ID) int {
		return slot.CompareID(r.Member, id)
	})
}

// Replicas is the placement: which peers hold a path. Today that is all of them; nothing else may assume it.
func (s *Shared) Replicas(string) []*Peer { return s.Peers }

// PeerTable keeps a T for each peer, for one machine. The zero value is an empty table.
type PeerTable[T any] struct{ rows []peerRow[T] }

type peerRow[T any] struct {
	peer *Peer
	kept *T
}

// Of is the entry of a peer: at first a zero T. The entry of a removed peer is dropped when another peer takes its row.
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

// Look is a copy of the entry of a peer, for questions about a node: they must not change it, as Of does when it makes
// an entry.
func (t *PeerTable[T]) Look(p *Peer) (kept T) {
	if p.row < len(t.rows) && t.rows[p.row].peer == p {
		kept = *t.rows[p.row].kept
	}
	return kept
}
