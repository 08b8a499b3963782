package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"time"

	"kvs/node/api"
	"kvs/node/slot"
)

// WatchOptions say what to watch besides the path. The zero value is all right.
type WatchOptions struct {
	Values bool   // events bring the values.
	Since  string // the Token of an event to go on after; empty: begin with a snapshot.
}

// The words of WatchEvent.Event.
const (
	EventPut           = "put"
	EventDelete        = "delete"
	EventBookmark      = "bookmark"
	EventSnapshotBegin = "snapshot-begin"
	EventSnapshotEnd   = "snapshot-end"
)

// Bounds of a watch.
const (
	// watchSilenceMax is how long a stream may be silent: members send a bookmark every 15 s.
	watchSilenceMax = 45 * time.Second
	eventBytesMax   = 16 << 20 // the largest value, in base64, and more.
)

// Watch shows the changes of everything below a directory, which ends in a slash ("" is everything), or of one path. It
// goes on, at another endpoint when one fails, until ctx ends or the caller stops; then it yields nothing more. An
// error that no further attempt can help ends it too, and is yielded last.
//
// The events are those of the API. First comes a snapshot: a put of each value between snapshot-begin and snapshot-end.
// What was known before and is not in it is gone. Then come puts and deletes as they happen. A later snapshot, of
// another member for instance, may be older than what was known, as an eventual read at that member would be. An
// event may come again. Changes compares for the caller.
func (c *Client) Watch(ctx context.Context, target string, o WatchOptions) iter.Seq2[api.WatchEvent, error] {
	return func(yield func(api.WatchEvent, error) bool) {
		r := &request{method: http.MethodGet, name: "watch of " + nameOf(target), target: "/kv/" + escape(target)}
		check := slot.CheckPath
		if nameOf(target) != target || strings.HasSuffix(target, "/") {
			check = slot.CheckDirectory
		}
		if err := check(target); err != nil {
			yield(api.WatchEvent{}, refusedHere(r.operation(), false, api.BadPath, err))
			return
		}
		w := &watching{c: c, r: r, o: o, at: int(c.preferred.Load()), yield: yield, delay: c.opts.RetryDelayMin}
		w.run(ctx)
	}
}

// nameOf is a path or directory for people.
func nameOf(target string) string {
	if target == "" {
		return "/"
	}
	return target
}

// watching is one Watch.
type watching struct {
	c       *Client
	r       *request
	o       WatchOptions
	at      int // the endpoint that is asked.
	yield   func(api.WatchEvent, error) bool
	stopped bool // the caller wants no more.
	heard   bool // the present stream has brought an event.
	failed  int  // attempts since the last event.
	delay   time.Duration
}

func (w *watching) run(ctx context.Context) {
	for {
		w.heard = false
		err := w.stream(ctx)
		if w.stopped || ctx.Err() != nil {
			return
		}
		var refused *Error
		if errors.As(err, &refused) && !refused.Retryable {
			w.yield(api.WatchEvent{}, err)
			return
		}
		if w.heard {
			w.failed, w.delay = 0, w.c.opts.RetryDelayMin
		}
		w.failed++
		if again := errors.Is(err, errEnded); !again { // a watcher that was cut off comes again to the same member.
			w.at = (w.at + 1) % len(w.c.endpoints)
		}
		if w.failed%len(w.c.endpoints) == 0 || w.failed == 1 && w.heard {
			if !pause(ctx, w.delay) {
				return
			}
			w.delay = min(2*w.delay, w.c.opts.RetryDelayMax)
		}
	}
}

// errEnded means that the member has ended the stream, and can be asked again.
var errEnded = errors.New("the member ended the watch")

// stream asks one endpoint, and yields what it sends.
func (w *watching) stream(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	silence := time.AfterFunc(w.c.opts.AttemptTimeout, cancel)
	defer silence.Stop()
	endpoint := w.c.endpoints[w.at]
	query := url.Values{"watch": {""}}
	if w.o.Values {
		query.Set("values", "true")
	}
	if w.o.Since != "" {
		query.Set("since", w.o.Since)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint+w.r.target+"?"+query.Encode(), nil)
	if err != nil {
		return refusedHere(w.r.operation(), false, Unreachable, err)
	}
	req.Header.Set("User-Agent", "kvs-client")
	if w.c.opts.Token != "" {
		req.Header.Set("Authorization", "Bearer "+w.c.opts.Token)
	}
	resp, err := w.c.http.Do(req)
	if err != nil {
		return broken(w.r.operation(), endpoint, false, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		body, err := readBody(resp.Body, documentBytesMax)
		if err != nil {
			return broken(w.r.operation(), endpoint, false, err)
		}
		return problem(w.r, endpoint, resp, body)
	}
	w.c.preferred.Store(int64(w.at))
	lines := bufio.NewReader(&alive{resp.Body, func() { silence.Reset(watchSilenceMax) }})
	for {
		ev, err := readEvent(lines)
		if err != nil {
			return broken(w.r.operation(), endpoint, false, err)
		}
		w.heard, w.o.Since = true, ev.Token
		if !w.yield(ev, nil) {
			w.stopped = true
			return nil
		}
		if ev.Reason != "" {
			return errEnded
		}
	}
}

// alive tells of each byte that comes.
type alive struct {
	io.Reader
	tell func()
}

func (a *alive) Read(b []byte) (int, error) {
	n, err := a.Reader.Read(b)
	if n > 0 {
		a.tell()
	}
	return n, err
}

// readEvent reads the next Server-Sent Event that has data (HTML standard, section 9.2.6).
func readEvent(r *bufio.Reader) (ev api.WatchEvent, err error) {
	var data []byte
	token := ""
	for {
		line, err := readLine(r)
		if err != nil {
			return ev, err
		}
		if len(line) == 0 {
			if data == nil {
				continue // a comment, or the time before another try.
			}
			if err := json.Unmarshal(data, &ev); err != nil {
				return ev, fmt.Errorf("an event is not the JSON that this client expects: %w", err)
			}
			ev.Token = token
			return ev, nil
		}
		field, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(field) {
		case "data":
			data = append(data, value...)
		case "id":
			token = string(value)
		}
	}
}

// readLine reads a line without its end, of bounded length.
func readLine(r *bufio.Reader) (line []byte, err error) {
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case err == nil:
			return bytes.TrimRight(line, "\r\n"), nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		case len(line) > eventBytesMax:
			return nil, errTooLong
		}
	}
}

// Changes is Watch for a caller that wants to know only what is different from what it has been told: puts, and deletes
// of paths that were there. It remembers the version of each path, compares snapshots with them, and yields a delete
// for what is gone. Without Since it begins with a put of everything that is there. With Since it does not know what
// the caller has been told before: it yields all that comes.
func (c *Client) Changes(ctx context.Context, target string, o WatchOptions) iter.Seq2[api.WatchEvent, error] {
	return func(yield func(api.WatchEvent, error) bool) {
		var known, fresh map[string]string // path to ETag; fresh: within a snapshot.
		if o.Since == "" {
			known = map[string]string{}
		}
		for ev, err := range c.Watch(ctx, target, o) {
			if err != nil {
				yield(ev, err)
				return
			}
			for _, ev := range differences(&known, &fresh, ev) {
				if !yield(ev, nil) {
					return
				}
			}
		}
	}
}
