package node

import (
	"fmt"
	"time"

	"kvs/node/swim"
)

// A member with a new identity that joins others has none of their data. Until it does it is in ModeSyncing: it pulls what they
// hold, the newest first, and then serves by itself.
//
// The rule, for a node with a new identity that knows seeds:
//
//  1. It asks every member that it meets how that one stands (hello). From one that serves it pulls: first a plan (survey.go),
//     then page after page, then it compares what both hold; from then on it is in step.
//  2. When nobody serves, but as many members as are expected have been met and all are as empty as it is, the cluster is new:
//     there is nothing to wait for.
//  3. When nobody that serves can be reached for Tuning.BootstrapWait (six times as long while it pulls, for then it knows what
//     it lacks), it serves what it has, says so, and pulls as soon as it meets somebody. An eventual store
//     answers; it does not wait for the dead. So nodes that wait for each other do so for a bounded time.
//
// A first node, which has no seeds, serves at once, and so does a member that returns with its data: comparisons bring
// what it missed.
//
// Meanwhile it is a member like others: what is written comes to it as to everybody, so that nothing falls between pages. Its
// copies count for a quorum write, whose record it has stored; but it answers no fetch, because it may be the successor of a
// member that acknowledged what it does not hold yet.
//
// Bands of timestamps and paths say how far it has come (bootstrap_meta.go), in the same persist as the page: any member can
// go on where another one stopped, and so can this one after a restart.
type bootstrap struct {
	phase   bootPhase
	serving bool // it serves although it has not got everything: rule 3.
	plan    bootPlan
	cursor  bootCursor
	resumed bool // it goes on where a former run stopped.

	server   ID // from whom it pulls; zero: nobody yet.
	seq      uint64
	tries    int           // questions without an answer.
	askAt    time.Duration // when it asks, or asks again; zero: no time.
	helloAt  time.Duration // when members whose state matters are asked for it.
	waitEnds time.Duration // when it serves what it has, unless somebody that serves is heard of before.
	after    PersistID     // of the last page: the next one is asked for when that one is durable.
	rounds   int           // comparisons at the end.

	bucket tokenBucket
	meter  rateMeter
	began  time.Duration
}

// bootPhase is how far a bootstrap is.
type bootPhase uint8

const (
	bootDone      bootPhase = iota // in step, or never had to.
	bootWaiting                    // it has no plan yet.
	bootPulling                    // page after page.
	bootComparing                  // it has everything that was there, and looks for what came meanwhile.
)

var bootPhaseNames = [...]string{"done", "waiting", "pulling", "comparing"}

// String prints the word used in status and logs.
func (p bootPhase) String() string { return bootPhaseNames[p] }

// standing is how a member stands, as it tells the others.
type standing uint8

const (
	standingUnknown standing = iota
	standingReady            // in step, and serves.
	standingServing          // it serves without having got everything: rule 3.
	standingPulling          // it does not serve, and has something.
	standingEmpty            // it does not serve, and has nothing.
	standingEnd
)

// serves reports whether clients and newcomers may be sent to such a member.
func (s standing) serves() bool { return s == standingReady || s == standingServing }

// absent reports whether such a member lacks so much that comparing with it would only get in the way of its bootstrap.
func (s standing) absent() bool { return s == standingPulling || s == standingEmpty }

const (
	bootHelloInterval = 500 * time.Millisecond
	bootAskInterval   = time.Second

	bootDurableInterval = 10 * time.Millisecond
	bootRoundInterval   = 100 * time.Millisecond
	bootTriesMax        = 3
	bootAvoidFor        = 10 * time.Second // a server that fell silent is not the first choice for so long.
	bootWaitLongerMult  = 6
	bootRoundsMax       = 3 // comparisons at the end: under load there is always something on its way.
)

// active reports whether the node does not serve because of its bootstrap.
func (b *bootstrap) active() bool { return b.phase != bootDone && !b.serving }

// complete reports whether the node holds what a member is expected to hold.
func (b *bootstrap) complete() bool { return b.phase == bootDone }

// quiet reports whether comparisons have to wait: they would pull everything at once, in the order of the paths.
func (b *bootstrap) quiet() bool { return b.active() && b.phase != bootComparing }

func (n *Node) standing() standing {
	b := &n.bootstrap
	switch {
	case b.complete():
		return standingReady
	case b.serving:
		return standingServing
	case b.phase == bootWaiting:
		return standingEmpty
	}
	return standingPulling
}

// due is the time of the next timer; zero: there is none.
func (b *bootstrap) due() time.Duration {
	at := b.helloAt
	if b.phase == bootDone {
		return at
	}
	if b.askAt != 0 && (at == 0 || b.askAt < at) {
		at = b.askAt
	}
	if !b.serving && (at == 0 || b.waitEnds < at) {
		at = b.waitEnds
	}
	return at
}

// beginBootstrap is called for a node that has nothing and is about to meet others.
func (n *Node) beginBootstrap() {
	n.bootstrap = bootstrap{phase: bootWaiting}
	n.startBootstrap()
	n.noteBootstrap()
}

// startBootstrap sets the timers of a bootstrap that is new or that a former run has begun.
func (n *Node) startBootstrap() {
	b := &n.bootstrap
	now := n.now.Mono
	b.began, b.helloAt = now, now+bootHelloInterval
	b.bucket = tokenBucket{rate: n.tuning.BootstrapRate, burst: n.tuning.BootstrapPageBytes, at: now}
	n.extendWait()
	n.log(LogInfo, "bootstrap: this node serves clients when it has the data of the others", "phase", b.phase.String(),
		"keys", b.cursor.keys, "serving", b.serving)
}

// extendWait puts off the moment in which the node serves what it has: somebody that serves has been heard of.
func (n *Node) extendWait() {
	wait := n.tuning.BootstrapWait
	if n.bootstrap.phase == bootPulling {
		wait *= bootWaitLongerMult
	}
	n.bootstrap.waitEnds = n.now.Mono + wait
}

// joining is called when somebody tells the node to join others: with nothing stored it is a newcomer to them.
func (n *Node) joining() {
	if n.bootstrap.phase == bootDone && !n.opts.Founder && n.holdsNothing() {
		n.beginBootstrap()
	}
}

func (n *Node) holdsNothing() bool {
	if len(n.overlay.byPath) > 0 {
		return false
	}
	empty := true
	err := n.store.Scan(prefixRecord, "", func(string, []byte) bool {
		empty = false
		return false
	})
	return err == nil && empty
}

func (n *Node) tickBootstrap() {
	b := &n.bootstrap
	now := n.now.Mono
	if b.helloAt != 0 && now >= b.helloAt {
		n.helloRound()
	}
	if b.phase == bootDone {
		return
	}
	if b.askAt != 0 && now >= b.askAt {
		n.askServer()
	}
	n.advanceBootstrap()
	if b.active() && now >= b.waitEnds {
		n.serveUnfinished()
	}
}

// helloRound asks the members whose standing matters to this one: to a newcomer all that do not serve yet as far as it knows, to
// others the newcomers.
func (n *Node) helloRound() {
	b := &n.bootstrap
	b.helloAt = 0
	for _, p := range n.peers {
		if p.dead() || (b.complete() && !p.standing.absent()) {
			continue
		}
		b.helloAt = n.now.Mono + bootHelloInterval
		if b.complete() {
			b.helloAt += 3 * bootHelloInterval // nothing waits for it.
		}
		if p.standing != standingReady {
			n.send(TransportFrame, p.addr, 0, n.encodeHello(&hello{standing: n.standing(), answer: true}))
		}
	}
	if !b.complete() && b.helloAt == 0 {
		b.helloAt = n.now.Mono + bootHelloInterval
	}
}

// tellStanding lets every member know that this one stands differently.
func (n *Node) tellStanding() {
	for _, p := range n.peers {
		if !p.dead() {
			n.send(TransportFrame, p.addr, n.nextPersist(), n.encodeHello(&hello{standing: n.standing()}))
		}
	}
}

// peerStands is called when a peer appears, returns or dies.
func (n *Node) peerStands(p *peer) {
	b := &n.bootstrap
	if p.dead() {
		p.standing = standingUnknown
		if b.server == p.id {
			n.leaveServer("it is dead")
		}
		return
	}
	if !b.complete() && p.standing == standingUnknown {
		n.send(TransportFrame, p.addr, 0, n.encodeHello(&hello{standing: n.standing(), answer: true}))
	}
}

func (n *Node) handleHello(from *peer, body []byte) error {
	m, err := decodeHello(body)
	if err != nil {
		return err
	}
	from.standing = m.standing
	if m.answer {
		n.send(TransportFrame, from.addr, n.persists, n.encodeHello(&hello{standing: n.standing()}))
	}
	b := &n.bootstrap
	if b.complete() {
		if m.standing.absent() && b.helloAt == 0 {
			b.helloAt = n.now.Mono + 4*bootHelloInterval
		}
		return nil
	}
	if m.standing.serves() {
		n.extendWait()
	} else if b.server == from.id {
		n.leaveServer("it does not serve any more")
	}
	n.advanceBootstrap()
	return nil
}

// advanceBootstrap looks for a server, or finds that there is nothing to pull.
func (n *Node) advanceBootstrap() {
	b := &n.bootstrap
	if b.phase == bootDone || b.server != 0 {
		return
	}
	if n.allEmpty() {
		n.log(LogInfo, "bootstrap: the cluster is new, all its members are empty", "members", n.expected())
		n.endBootstrap()
		return
	}
	p := n.chooseServer()
	if p == nil {
		b.askAt = 0
		return
	}
	b.server, b.tries = p.id, 0
	n.log(LogInfo, "bootstrap: pulling from a member", "member", p.id.String(), "addr", p.addr, "phase", b.phase.String(), "keys", b.cursor.keys)
	n.askServer()
}

// allEmpty is rule 2.
func (n *Node) allEmpty() bool {
	if n.bootstrap.phase != bootWaiting || n.bootstrap.serving {
		return false
	}
	empty := 1
	for _, p := range n.peers {
		switch {
		case p.dead():
		case p.standing != standingEmpty:
			return false
		default:
			empty++
		}
	}
	return empty >= n.expected()
}

// chooseServer draws one of the members that serve; those in step go before others, those that were silent come last.
func (n *Node) chooseServer() *peer {
	var best *peer
	bestRank, ties := 0, 0
	for _, p := range n.peers {
		if p.state != swim.Alive || !p.standing.serves() {
			continue
		}
		rank := 1
		if p.standing == standingReady {
			rank++
		}
		if n.now.Mono >= p.avoidUntil {
			rank += 2
		}
		switch {
		case rank > bestRank:
			best, bestRank, ties = p, rank, 1
		case rank == bestRank:
			if ties++; n.rng.IntN(ties) == 0 {
				best = p
			}
		}
	}
	return best
}

// leaveServer gives up the present server and looks for another one.
func (n *Node) leaveServer(why string) {
	b := &n.bootstrap
	if p := n.peer(b.server); p != nil {
		p.avoidUntil = n.now.Mono + bootAvoidFor
	}
	n.log(LogWarn, "bootstrap: looking for another member to pull from", "member", b.server.String(), "why", why, "keys", b.cursor.keys)
	b.server, b.askAt = 0, 0
	n.advanceBootstrap()
}

// serveUnfinished is rule 3.
func (n *Node) serveUnfinished() {
	b := &n.bootstrap
	b.serving = true
	n.log(LogWarn, "bootstrap: no member that serves could be reached: this node serves what it has, and pulls the rest when it meets one",
		"waited", n.now.Mono-b.began, "phase", b.phase.String(), "keys", b.cursor.keys)
	n.noteBootstrap()
	n.tellStanding()
}

// endBootstrap makes the node a member like any other.
func (n *Node) endBootstrap() {
	b := &n.bootstrap
	n.log(LogInfo, "bootstrap: done", "keys", b.cursor.keys, "bytes", b.cursor.bytes, "took", n.now.Mono-b.began)
	n.bootstrap = bootstrap{helloAt: n.now.Mono + bootHelloInterval}
	n.ops = append(n.ops, Op{Key: keyBootstrap})
	n.tellStanding()
}

// bootReason says for people what a node in ModeSyncing is doing.
func (n *Node) bootReason() string {
	b := &n.bootstrap
	switch {
	case b.phase == bootWaiting && b.server == 0:
		met := 1
		for _, p := range n.peers {
			if !p.dead() {
				met++
			}
		}
		return fmt.Sprintf("bootstrap: waits for a member that serves (%d of %d expected members met)", met, max(n.expected(), met))
	case b.phase == bootWaiting:
		return "bootstrap: a member is working out what there is to pull"
	case b.phase == bootComparing:
		return fmt.Sprintf("bootstrap: has pulled %d keys, now compares with a member", b.cursor.keys)
	}
	return fmt.Sprintf("bootstrap: %d of about %d keys, %d of about %d bytes pulled", b.cursor.keys, b.plan.keys, b.cursor.bytes, b.plan.bytes)
}

// bootstrapStatus is nil when none is under way.
func (n *Node) bootstrapStatus() *BootstrapStatus {
	b := &n.bootstrap
	if b.phase == bootDone {
		return nil
	}
	s := &BootstrapStatus{
		Phase: b.phase.String(), Serving: b.serving, Server: b.server, KeysDone: b.cursor.keys, KeysAll: max(b.plan.keys, b.cursor.keys),
		BytesDone: b.cursor.bytes, BytesAll: max(b.plan.bytes, b.cursor.bytes), Band: b.cursor.band, Bands: len(b.plan.bounds),
		Rate: b.meter.rate, Resumed: b.resumed,
	}
	s.ETA = b.meter.eta(s.BytesAll - s.BytesDone)
	for _, p := range n.peers {
		if p.state == swim.Alive && p.standing.serves() {
			s.Ready = append(s.Ready, p.addr)
		}
	}
	return s
}
