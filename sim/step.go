package sim

import (
	"fmt"
	"strings"
)

// input delivers an entry to a replica, now or at the end of its pause.
func (w *World) input(e entry) {
	r := &w.replicas[e.node]
	if e.kind == entryPacket && w.clog(e) {
		return
	}
	if r.paused && e.kind != entryTick {
		if len(r.inbox) < inboxMax || e.kind == entrySynced {
			r.inbox = append(r.inbox, e)
		} else {
			w.dropInput(e)
		}
		return
	}
	switch e.kind {
	case entryTick:
		w.tick(r, e)
	case entryPacket:
		w.packet(r, e)
	case entrySynced:
		w.synced(r, e)
	case entryRequest:
		w.request(r, e)
	}
}

// dropInput drops an input whose process is gone or overloaded.
func (w *World) dropInput(e entry) {
	switch e.kind {
	case entryPacket:
		p := w.net.packets.Take(e.slot)
		w.recordEnd(&p, false)
		w.net.end(&p, fateAbsent, w.now)
		w.lose(int(p.from), int(p.to), p.transport)
	case entryRequest:
		w.calls.Drop(e.slot)
	}
}

func (w *World) packet(r *Replica, e entry) {
	p, ok := w.arrives(e.slot)
	w.recordEnd(&p, ok && r.machine != nil)
	if !ok || r.machine == nil {
		return
	}
	if w.bus.heard(EventReceived) {
		ev := w.bus.event(EventReceived, r)
		ev.From, ev.Transport, ev.Message = int(p.from), p.transport, p.data
		w.bus.tell(ev)
	}
	w.in = Input{Kind: InputFrame, From: addresses[p.from]}
	if p.transport == TransportDatagram {
		w.in.Kind, w.in.Data = InputDatagram, append(w.net.scratch[:0], p.data...)
	} else {
		w.in.Data = p.data
	}
	w.step(r)
	w.in.Data = nil
}

// synced ends the running fsync of a replica.
func (w *World) synced(r *Replica, e entry) {
	if e.run != r.run || r.machine == nil {
		return
	}
	upTo, err := r.disk.End(w.rng, func(p *Persist) { w.durable(r, p) })
	eff := &w.eff
	eff.Reset()
	eff.Sends, eff.Replies = r.gate.Durable(upTo, eff.Sends, eff.Replies)
	if err != nil {
		w.failReplies(r, err.Error())
	}
	w.in = Input{Kind: InputPersisted, UpTo: upTo, Err: err}
	r.machine.Step(r.Time(), &w.in, eff)
	w.carryOut(r, &w.in)
}

// failReplies releases the replies that wait for a broken disk.
func (w *World) failReplies(r *Replica, detail string) {
	first := len(w.eff.Replies)
	w.eff.Replies = r.gate.Fail(w.eff.Replies)
	if w.hooks.failer == nil {
		clear(w.eff.Replies[first:])
		w.eff.Replies = w.eff.Replies[:first]
		return
	}
	for i := first; i < len(w.eff.Replies); i++ {
		w.eff.Replies[i].After = 0
		w.hooks.failer.Fail(&w.eff.Replies[i], detail)
	}
}

// durable is called for every persist when it can no longer be lost.
func (w *World) durable(r *Replica, p *Persist) {
	w.hash.Word(uint64(p.ID))
	w.recordPersist(r, p)
	if w.bus.heard(EventDurable) {
		e := w.bus.event(EventDurable, r)
		e.Persist = p
		w.bus.tell(e)
	}
}

// Control gives a running machine an InputControl: a command of an operator or its host.
func (w *World) Control(r *Replica, body any) {
	w.in = Input{Kind: InputControl, Body: body}
	w.step(r)
}

// step hands the machine the input w.in and carries out its effects.
func (w *World) step(r *Replica) {
	w.eff.Reset()
	r.machine.Step(r.Time(), &w.in, &w.eff)
	w.carryOut(r, &w.in)
}

// carryOut does what a host does: it queues the persist, holds back effects that wait for it, and carries out the rest.
func (w *World) carryOut(r *Replica, in *Input) {
	eff := &w.eff
	w.hashEffects(eff)
	w.tellStep(r, in)
	if eff.Persist.ID != 0 {
		r.disk.Queue(eff.Persist)
		w.walkStep(r)
	}
	if takes, begun := r.disk.Begin(w.rng); begun {
		w.at(w.now+takes, entry{kind: entrySynced, node: uint8(r.Number), run: r.run})
	}
	eff.Sends, eff.Replies = r.gate.Pass(eff.Sends, eff.Replies)
	for i := range eff.Sends {
		if w.bus.heard(EventSent) {
			e := w.bus.event(EventSent, r)
			e.Send = &eff.Sends[i]
			w.bus.tell(e)
		}
		w.send(r.Number, &eff.Sends[i])
	}
	for i := range eff.Replies {
		w.reply(r, &eff.Replies[i])
	}
	if eff.Wake != 0 {
		w.wake(r, r.clock.WhenMono(eff.Wake))
	}
	if w.tracer != nil || w.recording != nil {
		w.traceLogs(r, eff.Logs)
	}
}

func (w *World) tellStep(r *Replica, in *Input) {
	if w.bus.heard(EventStepped) {
		e := w.bus.event(EventStepped, r)
		e.Input, e.Effects = in, &w.eff
		w.bus.tell(e)
	}
	for _, note := range w.eff.Notes {
		if w.bus.heard(EventNoted) {
			e := w.bus.event(EventNoted, r)
			e.Note, e.Effects = note, &w.eff
			w.bus.tell(e)
		}
	}
}

// hashEffects takes every byte of the effects into the hash. Log lines are left out, because they depend on the level,
// and so are notes, which are only for checkers.
func (w *World) hashEffects(eff *Effects) {
	t := &w.hash
	t.Word(uint64(eff.Persist.ID))
	for i := range eff.Persist.Changes {
		t.Text(eff.Persist.Changes[i].Key)
		t.Bytes(eff.Persist.Changes[i].Value)
	}
	for i := range eff.Sends {
		s := &eff.Sends[i]
		t.Word(uint64(s.After)<<1 | uint64(s.Transport))
		t.Text(s.To)
		t.Bytes(s.Data)
	}
	for i := range eff.Replies {
		r := &eff.Replies[i]
		t.Word(uint64(r.After))
		t.Word(r.ID)
		hashBody(t, r.Body)
	}
	t.Word(uint64(eff.Wake))
}

// hashBody takes in the body of a reply: see Reply.
func hashBody(t *Hash, b any) {
	switch v := b.(type) {
	case Hasher:
		v.Hash(t)
	case string:
		t.Text(v)
	case []byte:
		t.Bytes(v)
	case int:
		t.Word(uint64(v))
	case uint64:
		t.Word(v)
	default:
		t.Text(fmt.Sprintf("%+v", v))
	}
}

func (w *World) traceLogs(r *Replica, logs []Log) {
	for i := range logs {
		l := &logs[i]
		var line strings.Builder
		line.WriteString(l.Msg)
		for a := 0; a+1 < len(l.Attrs); a += 2 {
			fmt.Fprintf(&line, " %v=%v", l.Attrs[a], l.Attrs[a+1])
		}
		if w.tracer != nil {
			w.tracer(fmt.Sprintf("%s n%d log %s", w.now, r.Number, line.String()))
		}
		if l.Level >= LogInfo {
			w.Mark(r.Number, MarkLog, line.String())
		}
	}
}
