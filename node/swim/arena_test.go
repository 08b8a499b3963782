package swim

import (
	"math/rand/v2"
	"strconv"
	"time"
)

// arena is a cluster of thousands of machines in virtual time: the mesh of mesh_test.go without its looking at
// everything after every step. All know each other at the start. What happens is a function of its options.
type arena struct {
	arenaOptions
	rng     *rand.Rand
	now     time.Duration
	seq     uint64
	queue   []arrival // a binary heap.
	members []resident

	crashed  map[ID]*crash
	accused  map[ID]bool // living members under suspicion of anybody, since the last count.
	buried   map[ID]bool // living members that anybody has declared dead.
	suspects int         // suspicions of living members that were begun, by whomever.
}

type arenaOptions struct {
	seed    uint64
	members int
	config  Config
	loss    int           // percent of the datagrams; what a stream carries comes 200 ms later instead.
	slow    int           // percent of the members: the first ones.
	late    time.Duration // they take in each message so much later,
	stall   time.Duration // or stand still for so long,
	run     time.Duration // and then run for so long, again and again.
}

type resident struct {
	m      *Machine
	out    Output
	up     bool
	tickAt time.Duration

	sent  int // messages in the present count,
	bytes int // and what they weigh as UDP over IPv4, or over TCP without what TCP adds.
	table int // the bytes of exchanged tables among them.
}

type arrival struct {
	at     time.Duration
	seq    uint64
	to     int // index of the member.
	from   int // of the sender; -1: a tick.
	stream bool
	data   []byte
}

// crash is what became known of a death.
type crash struct {
	at, suspected, dead, known time.Duration // known: the last of all living members has declared it dead.
	believers                  int
}

const (
	udpHeaderBytes  = 28
	arenaDelayMin   = time.Millisecond
	arenaDelayMax   = 10 * time.Millisecond
	arenaRetransmit = 200 * time.Millisecond
)

func newArena(o arenaOptions) *arena {
	w := &arena{arenaOptions: o, rng: rand.New(rand.NewPCG(o.seed, uint64(o.members))),
		members: make([]resident, o.members),
		crashed: map[ID]*crash{}, accused: map[ID]bool{}, buried: map[ID]bool{}}
	lines := make([]Member, o.members)
	for i := range lines {
		name := "n" + strconv.Itoa(i+1)
		lines[i] = Member{ID: ID(i + 1), Name: name, Addr: name + ".example.net:7946", Born: uint64(i+1) << 40,
			Incarnation: 1 << 20}
	}
	for i := range w.members {
		r := &w.members[i]
		var err error
		r.m, err = New(Options{Config: o.config, Self: lines[i], Rand: rand.New(rand.NewPCG(o.seed, uint64(i)<<32))})
		if err != nil {
			panic(err)
		}
		// Everybody knows everybody for long: joining is not what is measured, and no news is left of it.
		peers := make([]peer, 0, o.members-1)
		for k := range lines {
			if k != i {
				peers = append(peers, peer{Member: lines[k], dialled: never})
			}
		}
		for k := range peers {
			r.m.peers = append(r.m.peers, &peers[k])
		}
		r.m.states[Alive], r.m.rumours, r.m.joined = len(peers), nil, true
		r.m.exchangeAt = upTo(w.rng, r.m.exchangeInterval())
		r.up = true
		w.plan(i)
	}
	return w
}

func (w *arena) push(a arrival) {
	w.seq++
	a.seq = w.seq
	w.queue = append(w.queue, a)
	i := len(w.queue) - 1
	for ; i > 0 && a.before(&w.queue[(i-1)/2]); i = (i - 1) / 2 {
		w.queue[i] = w.queue[(i-1)/2]
	}
	w.queue[i] = a
}

func (w *arena) pop() arrival {
	first, last := w.queue[0], w.queue[len(w.queue)-1]
	w.queue[len(w.queue)-1] = arrival{}
	w.queue = w.queue[:len(w.queue)-1]
	if len(w.queue) == 0 {
		return first
	}
	i := 0
	for child := 1; child < len(w.queue); child = 2*i + 1 {
		if child+1 < len(w.queue) && w.queue[child+1].before(&w.queue[child]) {
			child++
		}
		if !w.queue[child].before(&last) {
			break
		}
		w.queue[i] = w.queue[child]
		i = child
	}
	w.queue[i] = last
	return first
}

func (a *arrival) before(b *arrival) bool { return a.at < b.at || a.at == b.at && a.seq < b.seq }

// plan makes sure that member i is woken in time.
func (w *arena) plan(i int) {
	r := &w.members[i]
	if at := max(w.runs(i, r.m.Next()), w.now); r.tickAt <= w.now || at < r.tickAt {
		r.tickAt = at
		w.push(arrival{at: at, to: i, from: -1})
	}
}

func (w *arena) isSlow(i int) bool { return i < w.arenaOptions.members*w.slow/100 }

// runs is when member i is there for what is due at the time given.
func (w *arena) runs(i int, at time.Duration) time.Duration {
	if !w.isSlow(i) || w.stall == 0 {
		return at
	}
	shift := time.Duration(i) * 977 * time.Millisecond // they do not stand still in step.
	if in := (at + shift) % (w.stall + w.run); in < w.stall {
		return at + w.stall - in
	}
	return at
}

// pass lets time pass.
func (w *arena) pass(d time.Duration) {
	end := w.now + d
	for len(w.queue) > 0 && w.queue[0].at <= end {
		a := w.pop()
		r := &w.members[a.to]
		w.now = a.at
		if !r.up || a.from < 0 && a.at != r.tickAt {
			continue
		}
		var err error
		switch {
		case a.from < 0:
			r.m.Tick(w.now, &r.out)
		case a.stream:
			err = r.m.Stream(w.now, Speaker{}, a.data, &r.out)
		default:
			err = r.m.Datagram(w.now, w.members[a.from].m.self.Addr, a.data, &r.out)
		}
		if err != nil {
			panic(err)
		}
		w.collect(a.to)
		w.plan(a.to)
	}
	w.now = end
}

func (w *arena) collect(i int) {
	r := &w.members[i]
	for _, s := range r.out.Sends {
		to, err := strconv.Atoi(s.To[1 : len(s.To)-len(".example.net:7946")])
		if err != nil {
			panic(err)
		}
		to--
		if s.Stream && !w.members[to].up {
			continue // no connection, so nothing is sent over it.
		}
		r.sent++
		r.bytes += len(s.Data)
		if s.Stream && s.Data[1] >= kindRequest {
			r.table += len(s.Data)
		}
		at := w.now + arenaDelayMin + upTo(w.rng, arenaDelayMax-arenaDelayMin)
		lost := w.rng.IntN(100) < w.loss
		switch {
		case !s.Stream:
			r.bytes += udpHeaderBytes
			if lost {
				continue
			}
		case lost:
			at += arenaRetransmit
		}
		if w.isSlow(to) {
			at = w.runs(to, at+w.late)
		}
		w.push(arrival{at: at, to: to, from: i, stream: s.Stream, data: s.Data})
	}
	for _, e := range r.out.Events {
		w.note(&e)
	}
	clear(r.out.Sends)
	r.out.Sends, r.out.Events = r.out.Sends[:0], r.out.Events[:0]
}

// note takes note of what one member believes of another from now on.
func (w *arena) note(e *Event) {
	id := e.Member.ID
	c := w.crashed[id]
	switch {
	case e.Was == e.Member.State:
	case c != nil && e.Member.State == Suspect && c.suspected == 0:
		c.suspected = w.now
	case c != nil && e.Member.State == Dead:
		if c.dead == 0 {
			c.dead = w.now
		}
		if c.believers++; c.believers == w.living() {
			c.known = w.now
		}
	case c != nil || w.isSlow(int(id)-1):
	case e.Member.State == Suspect:
		w.suspects++
		w.accused[id] = true
	case e.Member.State == Dead:
		w.buried[id] = true
	}
}

func (w *arena) living() (n int) {
	for i := range w.members {
		if w.members[i].up {
			n++
		}
	}
	return n
}

// kill ends member i without a word. None may be killed before all know of the one before, lest `known` mean nothing.
func (w *arena) kill(i int) *crash {
	w.members[i].up = false
	c := &crash{at: w.now}
	w.crashed[w.members[i].m.self.ID] = c
	return c
}

// load is what members send, each second.
type load struct {
	messages, bytes, tableBytes float64 // of the mean member.
	// of the one with most, whole tables left out: those come in one piece now and then.
	bytesMax float64
}

// measure lets time pass and returns what it cost.
func (w *arena) measure(d time.Duration) (l load) {
	for i := range w.members {
		r := &w.members[i]
		r.sent, r.bytes, r.table = 0, 0, 0
	}
	w.pass(d)
	n := float64(w.living()) * d.Seconds()
	for i := range w.members {
		r := &w.members[i]
		l.messages += float64(r.sent) / n
		l.bytes += float64(r.bytes) / n
		l.tableBytes += float64(r.table) / n
		l.bytesMax = max(l.bytesMax, float64(r.bytes-r.table)/d.Seconds())
	}
	return l
}

// deaths kills members one after the other, each when all know of the one before, and returns what became known of
// them.
func (w *arena) deaths(n int) (all []*crash) {
	slow := w.arenaOptions.members * w.slow / 100
	for k := range n {
		c := w.kill(slow + (k+1)*(w.arenaOptions.members-slow)/(n+1))
		for c.known == 0 && w.now-c.at < 10*time.Minute {
			w.pass(100 * time.Millisecond)
		}
		all = append(all, c)
	}
	return all
}

// mean is that of a figure of all crashes.
func mean(all []*crash, of func(c *crash) time.Duration) float64 {
	var sum time.Duration
	for _, c := range all {
		sum += of(c)
	}
	return sum.Seconds() / float64(len(all))
}
