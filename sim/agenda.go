package sim

import (
	"time"

	"kvs/sim/pool"
)

// entryKind is the kind of an entry of the agenda. The kinds are typed and flat, so that the loop neither allocates nor
// calls closures.
type entryKind uint8

const (
	entryBoot     entryKind = iota // a replica starts for the first time.
	entryTick                      // a replica's wake-up time has come.
	entryPacket                    // a message arrives: slot is the packet.
	entrySynced                    // a replica's running fsync has ended.
	entryThink                     // a client begins its next operation: slot is the client.
	entryRequest                   // a request arrives at a replica: slot is the call.
	entryAnswer                    // an answer arrives at a client: slot is the call.
	entryGiveUp                    // a client has waited long enough: slot is the client, run its operation.
	entryFault                     // the nemesis acts: slot is the index in the plan.
	entryWatch                     // bounds are looked at.
	entryOperator                  // the operator acts.
	entryWalk                      // the node of a walk crashes, or starts again.
	entryCrash                     // a replica that is to crash may do so now.
	entryRecovery                  // the safety phase is over.
	entryVerify                    // the check whether everything has finished and converged.
)

var entryNames = [...]string{
	"boot", "tick", "packet", "synced", "think", "request", "answer", "give-up",
	"fault", "watch", "operator", "walk", "crash", "recovery", "verify",
}

func (k entryKind) String() string { return entryNames[k] }

// entry is one future event.
type entry struct {
	at   time.Duration // virtual, since the beginning.
	seq  uint64        // in the order of creation: orders entries of one moment.
	slot int32         // index of the payload, by kind.
	run  uint32        // the run of the replica, or the operation of the client, that it is meant for.
	kind entryKind
	node uint8 // the replica it happens to; zero: none.
}

func (e *entry) before(f *entry) bool {
	return e.at < f.at || e.at == f.at && e.seq < f.seq
}

// agenda is a heap of values with four children a parent: half as deep as a binary one, and the children of one parent
// are neighbours in memory. The order is total, so the output does not depend on the order of insertion.
//
// Most of what would be in the heap are the moments at which clients give up, all equally far ahead when they are put
// in. A queue keeps those that come in their order.
type agenda struct {
	items   []entry
	giveUps pool.Queue[entry]
}

func (h *agenda) len() int { return len(h.items) + h.giveUps.Len() }

// first is the earliest entry. The agenda must not be empty.
func (h *agenda) first() *entry {
	if h.giveUps.Len() > 0 && (len(h.items) == 0 || h.giveUps.First().before(&h.items[0])) {
		return h.giveUps.First()
	}
	return &h.items[0]
}

func (h *agenda) push(e entry) {
	if e.kind == entryGiveUp && (h.giveUps.Len() == 0 || h.giveUps.Last().before(&e)) {
		h.giveUps.Push(e)
		return
	}
	h.items = append(h.items, e)
	i := len(h.items) - 1
	for i > 0 {
		parent := (i - 1) / 4
		if !e.before(&h.items[parent]) {
			break
		}
		h.items[i] = h.items[parent]
		i = parent
	}
	h.items[i] = e
}

// pop takes out the earliest entry. The agenda must not be empty.
func (h *agenda) pop() entry {
	first := *h.first()
	if len(h.items) == 0 || first.seq != h.items[0].seq {
		return h.giveUps.Pop()
	}
	last := h.items[len(h.items)-1]
	h.items = h.items[:len(h.items)-1]
	n := len(h.items)
	if n == 0 {
		return first
	}
	i := 0
	for {
		child := 4*i + 1
		if child >= n {
			break
		}
		least := child
		for c := child + 1; c < min(child+4, n); c++ {
			if h.items[c].before(&h.items[least]) {
				least = c
			}
		}
		if !h.items[least].before(&last) {
			break
		}
		h.items[i] = h.items[least]
		i = least
	}
	h.items[i] = last
	return first
}
