package watching

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"kvs/node/api"
	"kvs/node/watch"
)

// Bounds of what one look takes.
const (
	changesAtOnce = 64  // read and sent before the queue is looked at again.
	valuesAtOnce  = 256 // of a snapshot.
)

// Heartbeat is the time between bookmarks of a stream on which nothing else happens.
const Heartbeat = 15 * time.Second

// Stream is one client that watches. One goroutine uses it.
type Stream struct {
	all  *Watchers
	w    *watch.Watcher
	wake chan struct{} // capacity one.
}

func (st *Stream) wakeUp() {
	select {
	case st.wake <- struct{}{}:
	default:
	}
}

// Close ends the stream.
func (st *Stream) Close() { st.all.leave(st.w) }

// ErrBehind means that the log of changes does not reach back to the watcher any more: it has to come again.
var ErrBehind = errors.New("the watcher is too far behind: the log of changes does not reach back to it")

// Emit emits what there is to show, a part of it at once; more: there is more. After an error of emit or of the source
// the stream is of no use any more: the last token that was emitted is what the client goes on from.
func (st *Stream) Emit(src watch.Source, values bool, emit func(*watch.Event) error) (more bool, err error) {
	counted := func(ev *watch.Event) error {
		if ev.Kind == watch.Put || ev.Kind == watch.Delete {
			st.all.events.Add(1)
		}
		return emit(ev)
	}
	if st.w.Within() {
		return true, st.w.Page(src, valuesAtOnce, values, counted)
	}
	st.all.mu.Lock()
	work := st.w.Work(changesAtOnce)
	st.all.mu.Unlock()
	if work.Cut {
		st.all.behind.Add(1)
		return false, ErrBehind
	}
	return work.More, st.w.Show(src, &work, values, counted)
}

// Token is how far the client has got, when it has taken all that was emitted.
func (st *Stream) Token() watch.Token { return st.w.Token() }

// Wait returns nil when there may be something to emit, errIdle when there was nothing for so long, ErrStopping, or
// ctx's error.
func (st *Stream) Wait(ctx context.Context, idle time.Duration) error {
	timer := time.NewTimer(idle)
	defer timer.Stop()
	select {
	case <-st.wake:
		return nil
	case <-timer.C:
		return errIdle
	case <-st.all.stop:
		return ErrStopping
	case <-ctx.Done():
		return ctx.Err()
	}
}

var errIdle = errors.New("nothing happened")

// Request is what a client wants to be shown.
type Request struct {
	Source func() watch.Source // what it may see now.
	Values bool
	// Allowed returns why the stream has to end: its rights have ended, or this node does not serve any more.
	Allowed func() error
}

// Conn is a connection that events are written to.
type Conn interface {
	Write([]byte) (int, error)
	SetWriteDeadline(time.Time) error
}

// Serve writes Server-Sent Events until the client goes, is too slow, or the stream ends, which a last bookmark says.
func (st *Stream) Serve(ctx context.Context, conn Conn, r *Request, timeout time.Duration) {
	out := newWriter(conn, timeout, r.Values)
	defer out.release()
	why := out.begin()
	more := true
	for why == nil {
		if why = r.Allowed(); why != nil {
			break
		}
		select {
		case <-st.all.stop:
			why = ErrStopping
			continue
		default:
		}
		if more, why = st.Emit(r.Source(), r.Values, out.event); why != nil || more {
			continue
		}
		if why = out.flush(); why != nil {
			continue
		}
		out.release()
		why = st.Wait(ctx, Heartbeat)
		if errors.Is(why, errIdle) {
			why = out.event(&watch.Event{Kind: watch.Bookmark, Token: st.Token()})
		}
	}
	if out.failed {
		if errors.Is(why, os.ErrDeadlineExceeded) {
			st.all.slow.Add(1)
		}
		return
	}
	_ = out.last(st.Token(), why) // the client goes on from an earlier token otherwise.
}

// Bounds of an answer to a long poll.
const (
	pollEventsMax = 1000
	pollBytesMax  = 4 << 20
)

var errFull = errors.New("the answer is full")

// Poll returns the next events, or waits for one.
func (st *Stream) Poll(ctx context.Context, r *Request, wait time.Duration) (api.WatchPage, error) {
	page := api.WatchPage{Events: []api.WatchEvent{}}
	end, bytes, full := time.Now().Add(wait), 0, false
	last := st.Token()
	take := func(ev *watch.Event) error {
		if len(page.Events) == pollEventsMax || bytes >= pollBytesMax {
			full = true
			return errFull
		}
		last = ev.Token
		doc := Document(ev, r.Values)
		doc.Token = ev.Token.String()
		page.Events = append(page.Events, doc)
		bytes += len(ev.Record.Value) + len(ev.Path) + eventOverhead
		return nil
	}
	for {
		if err := r.Allowed(); err != nil {
			return page, err
		}
		more, err := st.Emit(r.Source(), r.Values, take)
		switch {
		case full:
			page.Token, page.More = last.String(), true
			return page, nil
		case err != nil:
			return page, err
		case more:
			continue
		case len(page.Events) > 0:
			page.Token = st.Token().String()
			return page, nil
		}
		err = st.Wait(ctx, time.Until(end))
		if err != nil { // also when the node stops: the client comes again, at another member perhaps.
			page.Token = st.Token().String()
			return page, nil
		}
	}
}

// eventOverhead is about what an event takes besides path and value.
const eventOverhead = 256

// Document is an event as clients get it, without its token. With values, that of a put is in it.
func Document(ev *watch.Event, values bool) api.WatchEvent {
	doc := api.WatchEvent{Event: ev.Kind.String(), Path: ev.Path}
	if ev.Kind != watch.Put && ev.Kind != watch.Delete {
		return doc
	}
	rec := &ev.Record
	if rec.Exists() {
		doc.ETag, doc.Timestamp = rec.Version().ETag(), rec.TS.String()
	}
	if ev.Kind == watch.Delete {
		return doc
	}
	bytes := ev.Bytes
	doc.Bytes, doc.ContentType = &bytes, rec.ContentType
	if values {
		doc.Text, doc.Base64 = api.SplitValue(rec.Value)
	}
	if doc.ContentType == "" {
		doc.ContentType = api.ContentTypeBinary // as a GET says.
	}
	if rec.Expires != 0 {
		doc.Expires = time.UnixMilli(rec.Expires).UTC().Format(time.RFC3339)
	}
	return doc
}

// reason says for people why a stream ends.
func reason(err error) string {
	switch {
	case errors.Is(err, ErrStopping):
		return "the node is shutting down: go on at another member"
	case errors.Is(err, ErrBehind):
		return fmt.Sprintf("%v; it begins with a snapshot when it comes again", err)
	}
	return err.Error()
}

var _ Conn = net.Conn(nil)
