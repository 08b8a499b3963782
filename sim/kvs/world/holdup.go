package world

import (
	"fmt"
	"strings"

	"kvs/node"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/node/swim"
	"kvs/sim"
)

// holdup is kvs' part of the report on why a run has not ended: waiting operations, and the members they wait for;
// queues; paths that differ; and which member considers which one dead.
type holdup struct {
	*sim.Holdup
	w *World
}

// Explain implements sim.Explainer.
func (w *World) Explain(of *sim.Holdup) {
	h := holdup{of, w}
	each := func(say func(r *Replica)) {
		for _, n := range h.Among() {
			if r := &w.Replicas[n]; r.Node != nil {
				say(r)
			}
		}
	}
	each(h.state)
	each(h.operations)
	for _, n := range h.Among()[1:] {
		h.differences(h.Among()[0], n)
	}
	each(h.members)
	each(h.queues)
}

// name of a member: the number of its replica, or else its identity.
func (h *holdup) name(id node.ID) (string, int) {
	for n := 1; n <= h.w.Nodes(); n++ {
		if h.w.Replicas[n].ID == id {
			return sim.NodeName(n), n
		}
	}
	return id.String() + " (an identity that is gone)", 0
}

// state reports problems of a replica itself.
func (h *holdup) state(r *Replica) {
	name := sim.NodeName(r.Number)
	if s := r.Node.Status(); s.Mode != node.ModeNormal {
		h.Say("%s is %s: %s", name, s.Mode, strings.Join(s.ModeReasons, ", "))
	}
}

func (h *holdup) operations(r *Replica) {
	for _, o := range r.Node.OpenOperations() {
		h.operation(r, &o)
	}
}

// members reports members that a replica should know as alive and does not, and the other way round.
func (h *holdup) members(r *Replica) {
	name, s := sim.NodeName(r.Number), r.Node.Status()
	known := map[int]bool{}
	for i, m := range s.Members {
		other, number := h.name(m.ID)
		known[number] = true
		present := m.State == swim.Alive || m.State == swim.Suspect
		if h.Concerns(number) && m.State != swim.Alive || number == 0 && present {
			told := ""
			if number > 0 {
				told = " (" + h.LastMessages(number, r.Number, sim.TransportDatagram) + ")"
			}
			h.Say("%s sees %s %s since %s%s", name, other, m.State, h.Since(r.Replica, s.Since[i]), told)
		}
	}
	for _, n := range h.Among() {
		if !known[n] {
			h.Say("%s does not know n%d (%s)", name, n, h.LastMessages(n, r.Number, sim.TransportDatagram))
		}
	}
}

func (h *holdup) operation(r *Replica, o *node.OpenOperation) {
	var waits []string
	if o.Disk {
		waits = append(waits, "its own disk")
	}
	for _, id := range o.Members {
		other, number := h.name(id)
		if number > 0 {
			other += " (" + h.LastMessages(r.Number, number, sim.TransportFrame) + ")"
		}
		waits = append(waits, other)
	}
	who := ""
	if o.Request == 0 {
		who = " of its own"
	}
	since := ""
	if o.Since > 0 {
		since = " since " + h.Since(r.Replica, o.Since)
	}
	text := fmt.Sprintf("n%d: a %s %s%s of %q waits for %s%s", r.Number, o.Level, o.Op, who, o.Path, o.Waits, since)
	if len(waits) > 0 {
		text += ": " + strings.Join(waits, "; ")
	}
	h.Say("%s", text)
}

// queues reports records that are queued for members that should have them by now.
func (h *holdup) queues(r *Replica) {
	for _, p := range r.Node.Status().Peers {
		if name, number := h.name(p.ID); p.QueueEntries > 0 && h.Concerns(number) {
			h.Say("n%d has %d records queued for %s (%s)", r.Number, p.QueueEntries, name,
				h.LastMessages(r.Number, number, sim.TransportFrame))
		}
	}
}

// differences names the first paths at which two replicas differ.
func (h *holdup) differences(a, b int) {
	if h.w.digest(a) == h.w.digest(b) {
		return
	}
	const pathsMax = 3
	first, second := h.common(a), h.common(b)
	count := 0
	EachPath(first, second, func(path string) {
		x, y := (&NodeEvidence{Records: first}).Find(path), (&NodeEvidence{Records: second}).Find(path)
		if string(x.Value) == string(y.Value) {
			return
		}
		if count++; count <= pathsMax {
			h.Say("%q differs: n%d holds %s, n%d holds %s; %s", path, a, h.held(a, path), b, h.held(b, path),
				h.LastMessages(a, b, sim.TransportFrame))
		}
	})
	if count > pathsMax {
		h.Say("n%d and n%d differ at %d paths", a, b, count)
	}
}

// common lists the records that a replica should have in common with the others, by path, as encoded bytes.
func (h *holdup) common(n int) (out []PathRecord) {
	_ = h.w.Replicas[n].Store().Scan(schema.PrefixRecord, "", func(key string, value []byte) bool {
		path, _ := CutRecordPrefix(key)
		if b := slot.Common(path, value); len(b) > 0 {
			out = append(out, PathRecord{Path: path, Record: node.Record{Value: b}})
		}
		return true
	})
	return out
}

func (h *holdup) held(n int, path string) string {
	slot, readable := readSlot(&h.w.Replicas[n], path)
	if !readable {
		return "nothing readable"
	}
	if slot.Exists() {
		return Text(h.w.Replicas[n].Electorate.Visible(&slot))
	}
	return "nothing"
}
