package sim

// observer receives events: a Checker, or a Cluster with Events and Observe.
type observer interface {
	Events() EventSet
	Observe(e *Event)
}

// bus passes events to observers: to each only the kinds that it has subscribed to, in the order of subscription.
type bus struct {
	checkers []Checker
	lists    [eventKindsMax][]observer
	events   [8]Event // reused; more than one when an observer raises an event of its own.
	depth    int
	staters  []Stater // among the observers: on a stage.
}

// subscribe subscribes the cluster, if it is an observer, and then its checkers.
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

// heard reports whether a kind has subscribers.
func (b *bus) heard(k EventKind) bool { return len(b.lists[k]) > 0 }

// event returns an event, to be filled and passed to tell at once.
func (b *bus) event(k EventKind, r *Replica) *Event {
	e := &b.events[b.depth]
	b.depth++
	*e = Event{Kind: k, Replica: r}
	return e
}

// tell passes the last result of event to the observers.
func (b *bus) tell(e *Event) {
	for _, o := range b.lists[e.Kind] {
		o.Observe(e)
	}
	b.depth--
}

// Tell raises an event of the system's own: a kind from EventOwn on. The Cluster calls it while it observes an event
// itself, or when no event is being passed on.
func (w *World) Tell(kind EventKind, r *Replica, own any) {
	if w.bus.heard(kind) {
		e := w.bus.event(kind, r)
		e.Own = own
		w.bus.tell(e)
	}
}
