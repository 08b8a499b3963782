package host

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"kvs/node"
	"kvs/node/host/logging"
)

// Bounds of the loop.
const (
	inboxEventsMax = 4096 // when it is full clients and peers wait for a place, and datagrams are dropped.
	roundEventsMax = 256  // inputs taken before their effects are carried out.
	tickPauseMin   = time.Millisecond
)

// event is one item of work for the loop. Exactly one field is set.
type event struct {
	in     node.Input
	call   *call              // a client's request.
	calls  []*call            // those of one batch.
	frames *frameBatch        // one batch from a peer.
	ask    func(n *node.Node) // a question about the core; it must not step it.
}

// loop owns the core. Its fields belong to its goroutine, but for those in the last group.
type loop struct {
	core    *node.Node
	record  *recording // nil: nothing is recorded.
	clock   Clock
	logger  *slog.Logger
	gate    node.Gate
	eff     node.Effects
	submits []node.Persist // of the running round, in order.
	calls   map[uint64]*call
	nextID  uint64
	durable node.PersistID
	wake    time.Duration // monotonic.
	timer   *time.Timer

	inbox    chan event
	progress progress
	quit     chan struct{} // closed when no more events will come.
	done     chan struct{} // closed when the loop has ended.
	failed   chan struct{} // closed when the store has failed.
	failure  error         // why; set before failed is closed.
	mode     atomic.Uint32

	submit  func([]node.Persist) error // queues persists with the committer.
	drain   func()                     // returns when everything submitted has ended.
	send    func(node.Send)
	release func()      // releases the memory of sent messages.
	freed   func(*call) // a call has been answered.

	decided  func(*node.Decision)   // a conflict was decided.
	decideBy func(*node.Electorate) // eventual reads decide conflicts by it from now on.
	changed  func([]node.Changed)   // parts of the log of changes; lent for the call, but for the paths.
}

// progress carries the committer's reports to the loop. Only the last report counts, so there is always room for one:
// the committer never waits for the loop, which may be waiting for the committer.
type progress struct {
	mu    sync.Mutex
	upTo  node.PersistID
	err   error
	ready chan struct{} // capacity one.
}

func (p *progress) report(upTo node.PersistID, err error) {
	p.mu.Lock()
	if err != nil {
		p.err = err // upTo stays: persists above it are not known to be durable.
	} else {
		p.upTo = upTo
	}
	p.mu.Unlock()
	select {
	case p.ready <- struct{}{}:
	default:
	}
}

func (p *progress) last() (node.PersistID, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.upTo, p.err
}

// run is the loop, until quit.
func (l *loop) run() {
	defer close(l.done)
	defer l.timer.Stop()
	l.collect() // the effects of node.New.
	l.effects()
	for {
		select {
		case ev := <-l.inbox:
			l.take(ev)
		case <-l.progress.ready:
			l.advance()
		case <-l.timer.C:
			l.step(node.Tick{})
		case <-l.quit:
			l.finish()
			return
		}
		l.takeWaiting()
		l.effects()
	}
}

// takeWaiting takes further waiting events, up to a bound, so that a busy loop queues many persists for one fsync.
func (l *loop) takeWaiting() {
	yielded := false
	for range roundEventsMax {
		select {
		case ev := <-l.inbox:
			l.take(ev)
		case <-l.progress.ready:
			l.advance()
		default:
			if yielded {
				return
			}
			yielded = true
			runtime.Gosched() // who is about to post, such as the operations of a batch, shares the fsync.
		}
	}
}

// finish handles the remaining events, waits for the disk, and releases effects that waited for it.
func (l *loop) finish() {
	for len(l.inbox) > 0 {
		l.takeWaiting()
		l.effects()
	}
	l.drain()
	l.advance()
	l.effects()
	l.abandon("the node stopped before this request was answered")
}

func (l *loop) now() node.Time { return node.Time{Wall: l.clock.Wall(), Mono: l.clock.Mono()} }

func (l *loop) take(ev event) {
	switch {
	case ev.call != nil:
		l.begin(ev.call)
	case ev.calls != nil:
		for _, c := range ev.calls {
			l.begin(c)
		}
	case ev.frames != nil:
		for _, f := range ev.frames.frames {
			l.step(&node.Frame{Data: f, By: ev.frames.by})
		}
		ev.frames.taken()
	case ev.ask != nil:
		ev.ask(l.core)
	default:
		l.step(ev.in)
	}
}

// begin hands the core a client's request.
func (l *loop) begin(c *call) {
	l.nextID++
	c.request.ID = l.nextID
	l.calls[l.nextID] = c
	l.step(c.request)
}

// step hands the core one input. Sends, replies and log lines gather in l.eff until the end of the round.
func (l *loop) step(in node.Input) {
	if l.record != nil {
		l.record.core.Step(l.now(), in, &l.eff)
	} else {
		l.core.Step(l.now(), in, &l.eff)
	}
	l.collect()
}

// collect takes the persist and the wake-up time of a step out of l.eff, where the next step would overwrite them.
func (l *loop) collect() {
	if l.eff.Persist.ID != 0 {
		l.submits = append(l.submits, l.eff.Persist)
		l.eff.Persist = node.Persist{}
	}
	if l.eff.Electorate != nil {
		l.decideBy(l.eff.Electorate)
		l.eff.Electorate = nil
	}
	if l.eff.Wake != 0 {
		l.wake = l.eff.Wake
		l.eff.Wake = 0
	}
}

// advance reports durable persists, or a failure of the store, to the core and the gate.
func (l *loop) advance() {
	upTo, err := l.progress.last()
	if l.failure != nil || upTo == l.durable && err == nil {
		return
	}
	l.durable = upTo
	l.step(&node.Persisted{UpTo: upTo, Err: err})
	l.gate.Durable(upTo, &l.eff) // the effects that this adds wait for no persist; gate.Pass leaves them as they are.
	if err == nil {
		return
	}
	detail := fmt.Sprintf("the store failed while this request waited for it: %v", err)
	l.gate.Fail(detail, &l.eff)
	l.failure = fmt.Errorf("the store failed: %w: check the disk, then start the node again", err)
	l.effects()
	l.abandon(detail)
	close(l.failed)
}

// effects carries out the effects of a round's steps. Persists go first, because the disk takes longest.
func (l *loop) effects() {
	if l.failure == nil && len(l.submits) > 0 {
		if err := l.submit(l.submits); err != nil {
			// the committer reports the cause.
			l.logger.Debug("persists not queued", "first", l.submits[0].ID, "error", err)
		}
	}
	clear(l.submits)
	l.submits = l.submits[:0]
	l.gate.Pass(&l.eff)
	for i := range l.eff.Sends {
		l.send(l.eff.Sends[i])
	}
	if len(l.eff.Sends) > 0 {
		l.release()
	}
	for i := range l.eff.Replies {
		l.answer(l.eff.Replies[i].Response)
	}
	if len(l.eff.Changed) > 0 {
		l.changed(l.eff.Changed)
	}
	for i := range l.eff.Decisions {
		l.decided(&l.eff.Decisions[i].Decision)
	}
	for _, line := range l.eff.Logs {
		logging.Emit(l.logger, line)
	}
	l.eff.Reset()
	l.mode.Store(uint32(l.core.Mode()))
	if level := logging.NodeLevel(l.logger); l.record != nil { // it may have changed.
		l.record.core.SetLogLevel(level)
		l.record.publish()
	} else {
		l.core.SetLogLevel(level)
	}
	l.arm()
}

func (l *loop) answer(r node.Response) {
	c := l.calls[r.ID]
	if c == nil {
		panic(fmt.Sprintf("kvs: broken invariant: reply to request %d, which is not pending", r.ID))
	}
	delete(l.calls, r.ID)
	c.reply <- reply{c.at, r} // has room: one reply for each request.
	l.freed(c)
}

// abandon answers every request that the core will no longer answer.
func (l *loop) abandon(detail string) {
	for id, c := range l.calls {
		r := node.Response{ID: id, Code: node.CodeFailed, Level: c.request.Level, Detail: detail}
		if c.request.Op != node.OpGet {
			r.Outcome = node.OutcomeUnknown
		}
		l.answer(r)
	}
}

// arm sets the timer for the next tick.
func (l *loop) arm() {
	if l.wake == 0 || l.failure != nil {
		return
	}
	l.timer.Reset(max(l.wake-l.clock.Mono(), tickPauseMin))
}

// post queues an event, and waits for room until ctx ends.
func (l *loop) post(ctx context.Context, ev event) error {
	select {
	case <-l.done:
		return ErrStopped
	default:
	}
	select {
	case l.inbox <- ev:
		return nil
	case <-l.done:
		return ErrStopped
	case <-ctx.Done():
		return ctx.Err()
	}
}

// offer queues an event if there is room.
func (l *loop) offer(ev event) bool {
	select {
	case l.inbox <- ev:
		return true
	default:
		return false
	}
}
