package host

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"kvs/node"
)

// call is a client's request on its way through the loop.
type call struct {
	request *node.Request
	at      int        // its place in its batch.
	reply   chan reply // has room for the replies to all calls that share it: the loop never waits for a client.
}

// reply is the answer to a call.
type reply struct {
	at   int
	resp node.Response
}

// bytes is about how much memory the call holds.
func (c *call) bytes() int { return len(c.request.Path) + len(c.request.Value) }

// ErrStopped means that the node has stopped, or is stopping: the request has not been done and will not be.
var ErrStopped = errors.New("the node is shutting down: ask another member")

// callBytesMax bounds the values of the requests in flight together, so that clients alone cannot fill the committer's
// queue, which would make the loop wait for the disk.
const callBytesMax = 48 << 20

// callRetryAfter is how long a client has to wait when there are too many requests at once.
const callRetryAfter = time.Second

// Do runs a client operation and waits for its answer until ctx ends. Do sets the ID and the Deadline; request and
// value pass into its ownership. With an error there was no answer: ErrStopped means that nothing happened, any other
// error that a write may have happened or may happen yet. Too many requests at once are an answer, CodeOverloaded.
func (h *Host) Do(ctx context.Context, r *node.Request) (node.Response, error) {
	c := &call{request: r, reply: make(chan reply, 1)}
	if resp := h.diskFull(c); resp != nil {
		return *resp, nil
	}
	if err := h.admission.enter(c); err != nil {
		return turnedAway(r, err)
	}
	r.Deadline = h.deadline(ctx)
	if err := h.loop.post(ctx, event{call: c}); err != nil {
		h.admission.leave(c)
		return node.Response{}, notQueued(err)
	}
	a, err := h.await(ctx, c.reply)
	return a.resp, err
}

// turnedAway is the answer to a request that the admission has not let in.
func turnedAway(r *node.Request, err error) (node.Response, error) {
	if errors.Is(err, ErrStopped) {
		return node.Response{}, err
	}
	resp := node.Response{Code: node.CodeOverloaded, Level: r.Level, Detail: err.Error(), RetryAfter: callRetryAfter}
	if r.Op != node.OpGet {
		resp.Outcome = node.OutcomeNotApplied
	}
	return resp, nil
}

// deadline is when a request ends whose client waits until ctx ends; zero: it has no end.
func (h *Host) deadline(ctx context.Context) time.Duration {
	at, ok := ctx.Deadline()
	if !ok {
		return 0
	}
	return h.clock.Mono() + max(time.Until(at), 1)
}

// notQueued is the error of a request for which the loop had no place in time.
func notQueued(err error) error {
	if errors.Is(err, ErrStopped) {
		return err
	}
	return fmt.Errorf("no place in the queue in time: %w", err)
}

// await waits for the next reply, until ctx ends.
func (h *Host) await(ctx context.Context, replies chan reply) (reply, error) {
	select {
	case a := <-replies:
		return a, nil
	case <-h.loop.done:
		select {
		case a := <-replies:
			return a, nil
		default: // the loop answered all requests that it took: it never took this one.
			return reply{}, ErrStopped
		}
	case <-ctx.Done():
		return reply{}, fmt.Errorf("no answer in time: %w", ctx.Err())
	}
}

// diskSlack bounds what the core may write besides the values of requests, before the store takes a request's own
// write.
const diskSlack = 2 << 20

// diskFull refuses a write for which the store would find no room, or behind one that it has refused: once the core
// has it, the store can only try again and again, and the caller gets the outcome unknown in the end. A deletion may
// wait in the journal for room elsewhere. nil: there is room, or c is a read.
func (h *Host) diskFull(c *call) *node.Response {
	if c.request.Op == node.OpGet {
		return nil
	}
	free, err := h.free(h.cfg.DataDir)
	bytes := h.admission.held() + c.bytes() + diskSlack
	roomy := err != nil || free >= h.writeRoom+uint64(bytes) || c.request.Op == node.OpDelete && h.fits(bytes)
	if roomy && !h.refuses() {
		return nil
	}
	return &node.Response{
		Code: node.CodeDiskFull, Level: c.request.Level, Outcome: node.OutcomeNotApplied, RetryAfter: callRetryAfter,
		Detail: fmt.Sprintf(
			"the disk of %s has %d bytes free, and the store writes only while %d are: make room on that disk",
			h.cfg.DataDir, free, h.writeRoom),
	}
}

// deletable reports whether the store takes a deletion, however full the disk is.
func (h *Host) deletable() bool { return h.fits(h.admission.held() + diskSlack) }

// View answers eventual reads and listings beside the loop.
func (h *Host) View() *node.View { return h.view.Load() }

// Mode is what the node does for clients at the moment. It never waits.
func (h *Host) Mode() node.Mode { return node.Mode(h.loop.mode.Load()) }

// Status asks the core for a snapshot.
func (h *Host) Status(ctx context.Context) (node.Status, error) {
	return ask(ctx, h.loop, func(n *node.Node) node.Status { return n.Status() })
}

// Conflicts asks the core for the last decisions about paths that begin with prefix.
func (h *Host) Conflicts(ctx context.Context, prefix string, limit int) ([]node.ConflictRecord, error) {
	return ask(ctx, h.loop, func(n *node.Node) []node.ConflictRecord { return n.Conflicts(prefix, limit) })
}

// ask lets the loop answer a question about the core.
func ask[T any](ctx context.Context, l *loop, question func(n *node.Node) T) (T, error) {
	var none T
	answer := make(chan T, 1)
	if err := l.post(ctx, event{ask: func(n *node.Node) { answer <- question(n) }}); err != nil {
		return none, err
	}
	select {
	case a := <-answer:
		return a, nil
	case <-l.done:
		return none, ErrStopped
	case <-ctx.Done():
		return none, ctx.Err()
	}
}

// Join makes the node contact the members at addrs, now and until one of them answers. It returns at once.
func (h *Host) Join(ctx context.Context, addrs []string) error {
	return h.loop.post(ctx, event{in: &node.Join{Addrs: slices.Clone(addrs)}})
}

// SetReadOnly raises or clears one reason for being read-only.
func (h *Host) SetReadOnly(ctx context.Context, reason string, on bool) error {
	return h.loop.post(ctx, event{in: &node.SetReadOnly{Reason: reason, On: on}})
}

// SetOperatorMode makes the node read-only because an operator asks for it, or ends that. It returns when this is on
// disk.
func (h *Host) SetOperatorMode(ctx context.Context, readOnly bool) error {
	if err := h.SetReadOnly(ctx, node.ReasonOperator, readOnly); err != nil {
		return err
	}
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		stored, err := ask(ctx, h.loop, (*node.Node).ModeStored)
		if err != nil || stored {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// pollInterval is how often a condition inside the core is looked at while a caller waits for it.
const pollInterval = 10 * time.Millisecond

// poll waits until the status meets a condition.
func (h *Host) poll(ctx context.Context, wanted func(*node.Status) bool) error {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		s, err := h.Status(ctx)
		if err != nil {
			return err
		}
		if wanted(&s) {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// admission counts the requests in flight. A request keeps its place until the loop has answered it, also when its
// client has gone: that bounds the requests that a hanging disk accumulates.
type admission struct {
	callsMax int

	mu     sync.Mutex
	calls  int
	bytes  int
	closed bool
	empty  chan struct{} // closed when closed and no request is in flight.
}

func newAdmission(callsMax int) *admission {
	return &admission{callsMax: callsMax, empty: make(chan struct{})}
}

// enter takes a place. A request is always let in when it is the only one.
func (a *admission) enter(c *call) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.closed:
		return ErrStopped
	case a.calls >= a.callsMax:
		return fmt.Errorf(
			"%d requests are in flight, the limit is requests_max: try again later, or ask another member", a.calls)
	case a.calls > 0 && a.bytes+c.bytes() > callBytesMax:
		return fmt.Errorf("%d requests with %d bytes are in flight, the limit is %d bytes: try again later, or ask "+
			"another member", a.calls, a.bytes, callBytesMax)
	}
	a.calls++
	a.bytes += c.bytes()
	return nil
}

func (a *admission) leave(c *call) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.calls--
	a.bytes -= c.bytes()
	if a.closed && a.calls == 0 {
		close(a.empty)
	}
}

func (a *admission) inFlight() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.calls
}

// held is how many bytes the requests in flight hold.
func (a *admission) held() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.bytes
}

// close refuses all further requests. It may be called once.
func (a *admission) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	if a.calls == 0 {
		close(a.empty)
	}
}
