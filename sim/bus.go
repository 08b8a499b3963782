package sim

// observer hears of events: a Checker, or a Cluster that wants to.
type observer interface {
	Events() EventSet
	Observe(e *Event)
}

// bus tells observers of events: each only of those that it asked for, in the order in which they were subscribed.
type bus struct {
	checkers []Checker
	lists    [eventKindsMax][]observer
	events   [8]Event // used again; more than one when an observer tells of an event of its own.
	depth    int
	staters  []Stater // of the observers: on a stage.
}

// subscribe subscribes the cluster, if it wants to hear of events (Events, Observe), and then its checkers.
func (b *bus) subscribe(c Cluster) {
	b.checkers = c.Checkers()
	if o, ok := c.(observer); ok {
		b.add(o)
	}
	for _, k := range b.checkers {
		b.add(k)
	}
}

func (b *bus) add(o observer) {
	set := o.Events()
	for k := range EventKind(eventKindsMax) {
		if set.Has(k) {
			b.lists[k] = append(b.lists[k], o)
		}
	}
}

// heard reports whether anybody wants to hear of a kind.
func (b *bus) heard(k EventKind) bool { return len(b.lists[k]) > 0 }

// event returns an event to fill and to tell, at once.
func (b *bus) event(k EventKind, r *Replica) *Event {
	e := &b.events[b.depth]
	b.depth++
	*e = Event{Kind: k, Replica: r}
	return e
}

// tell tells of what event has returned last.
func (b *bus) tell(e *Event) {
	for _, o := range b.lists[e.Kind] {
		o.Observe(e)
	}
	b.depth--
}

// Tell tells of an event of the system's own: a kind from EventOwn on. The Cluster calls it while it hears of an
// event itself, or at any other moment at which none is told of.
func (w *World) Tell(kind EventKind, r *Replica, own any) {
	if w.bus.heard(kind) {
		e := w.bus.event(kind, r)
		e.Own = own
		w.bus.tell(e)
	}
}
