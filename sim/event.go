package sim

import "time"

// eventKind says what happens at an event. The kinds are typed and flat, so that the loop neither allocates nor calls
// closures.
type eventKind uint8

const (
	eventBoot     eventKind = iota // a replica starts for the first time.
	eventTick                      // a replica's wake-up time has come.
	eventPacket                    // a message arrives: slot is the packet.
	eventSynced                    // a replica's running fsync has ended.
	eventThink                     // a client begins its next operation: slot is the client.
	eventRequest                   // a request arrives at a replica: slot is the call.
	eventAnswer                    // an answer arrives at a client: slot is the call.
	eventGiveUp                    // a client has waited long enough: slot is the client, run its operation.
	eventFault                     // the nemesis acts: slot is the index in the plan.
	eventWatch                     // bounds are looked at.
	eventOperator                  // somebody looks after the voters.
	eventWalk                      // the node whose crash at a persist is looked at goes down, or comes back.
	eventCrash                     // a replica that is to crash may do so now.
	eventRecovery                  // the safety phase is over.
	eventVerify                    // has everything finished and converged?
)

var eventNames = [...]string{
	"boot", "tick", "packet", "synced", "think", "request", "answer", "give-up", "fault", "watch", "operator", "walk", "crash", "recovery", "verify",
}

func (k eventKind) String() string { return eventNames[k] }

// event is one thing that is going to happen.
type event struct {
	at   time.Duration // virtual, since the beginning.
	seq  uint64        // order of making: tells events of one moment apart.
	slot int32         // index of the payload, by kind.
	run  uint32        // the run of the replica, or the operation of the client, that it is meant for.
	kind eventKind
	node uint8 // the replica it happens to; zero: none.
}

func (e *event) before(f *event) bool {
	return e.at < f.at || e.at == f.at && e.seq < f.seq
}

// eventHeap is a heap of values with four children a parent: half as deep as a binary one, and the children of one parent
// are neighbours in memory. The order is total, so what comes out does not depend on how it went in.
type eventHeap struct{ items []event }

func (h *eventHeap) len() int { return len(h.items) }

func (h *eventHeap) push(e event) {
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

// pop takes out the earliest event. The heap must not be empty.
func (h *eventHeap) pop() event {
	first := h.items[0]
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
