package rest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/gofiber/fiber/v2"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/host/access"
	"kvs/node/host/connections"
	"kvs/node/host/listing"
	"kvs/node/host/watching"
	"kvs/node/watch"
)

// isWatch reports whether a GET asks for a watch.
func isWatch(c *fiber.Ctx) bool {
	return c.Method() == fiber.MethodGet && c.Request().URI().QueryArgs().Has("watch")
}

// pollMax bounds how long a long poll may wait.
const pollMax = 5 * time.Minute

// watchTimeout is how long the client of a stream may take to read what has been written, before it is cut off.
const watchTimeout = 30 * time.Second

// watched is a watch as it was asked for.
type watched struct {
	target string
	since  *watch.Token
	poll   bool
	wait   time.Duration
	values bool
}

// watch serves a watch of a directory or path: a stream of events, or a long poll.
func (s *Server) watch(c *fiber.Ctx, target string) error {
	w, err := s.readWatch(c, target)
	if err != nil {
		return err
	}
	stampLevel(c, node.Eventual)
	req, err := s.viewer(c, w)
	if err != nil {
		return err
	}
	if s.opts.Watchers == nil {
		return refuse(api.NotImplemented, "this node takes no watches")
	}
	if conn := connections.Of(c.Context().Conn()); !w.poll && !conn.Watch() {
		return tooMany("of the connections that may be open too many are watches: ask another member")
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.opts.RequestTimeout)
	defer cancel()
	stream, err := s.opts.Watchers.Open(ctx, w.target, w.since)
	switch {
	case err == nil && w.poll:
		defer stream.Close()
		return s.poll(c, stream, req, w.wait)
	case err == nil:
		s.stream(c, stream, req)
		return nil
	case errors.Is(err, watching.ErrFull):
		return tooMany(err.Error() + ": ask another member")
	case errors.Is(err, watching.ErrStopping), errors.Is(err, ErrStopping):
		return shuttingDown()
	}
	return &problem{code: api.Timeout, detail: err.Error() + ": ask another member"}
}

func tooMany(detail string) error {
	return &problem{code: api.Overloaded, status: fiber.StatusServiceUnavailable, detail: detail}
}

// readWatch reads the parameters. A browser that comes back names its last event in a header.
func (s *Server) readWatch(c *fiber.Ctx, target string) (w watched, err error) {
	p, err := readParams(c, "watch", "since", "wait", "values", "consistency")
	if err != nil {
		return w, err
	}
	w.target = target
	if on, err := p.bool("watch"); err != nil || !on {
		return w, refuse(api.BadParameter, "watch=%.100q: leave it empty, or leave it out", p["watch"])
	}
	if level, err := p.level(node.Eventual); err != nil {
		return w, err
	} else if level != node.Eventual {
		return w, refuse(api.NotImplemented, "watches are eventual: omit consistency=%s", level)
	}
	if w.values, err = p.bool("values"); err != nil {
		return w, err
	}
	since := p["since"]
	if last := c.Request().Header.Peek("Last-Event-ID"); since == "" && len(last) > 0 {
		since = string(last)
	}
	if since != "" {
		t, err := watch.ParseToken(since)
		if err != nil {
			return w, refuse(api.BadParameter, "since: %v", err)
		}
		w.since = &t
	}
	wait, poll := p["wait"]
	if w.poll = poll; poll {
		if w.wait, err = time.ParseDuration(wait); err != nil || w.wait < 0 || w.wait > pollMax {
			return w, refuse(api.BadParameter, "wait=%.100q: want a duration from 0s to %v", wait, pollMax)
		}
	}
	return w, nil
}

// viewer is what the sender of a request may see, now and later. A watch shows nothing that the sender may not read.
func (s *Server) viewer(c *fiber.Ctx, w watched) (*watching.Request, error) {
	who := whoIs(c)
	shown, err := credentialsOf(c)
	if err != nil {
		return nil, err
	}
	if !who.may(access.Read, w.target) {
		return nil, notAllowed(need{right: access.Read, path: w.target})
	}
	out := &watching.Request{Values: w.values}
	out.Source = func() watch.Source { return newSeen(s.opts.View(), who) }
	out.Allowed = func() error {
		if mode := s.opts.Core.Mode(); mode == node.ModeSyncing || mode == node.ModeFailed {
			return refuse(api.Syncing, "this node is %s: ask another member", mode)
		}
		if who == nil {
			return nil
		}
		now, err := s.whoShows(shown)
		switch {
		case err != nil:
			return err
		case !now.may(access.Watch, w.target) || !now.may(access.Read, w.target):
			return notAllowed(need{right: access.Watch, path: w.target})
		}
		who = now
		return nil
	}
	return out, out.Allowed()
}

// seen is a view of a member, as far as a sender may see it.
type seen struct {
	*node.View
	sieves [2]*listing.Sieve // of the rights watch and read.
}

func newSeen(view *node.View, w *who) *seen {
	out := &seen{View: view}
	for i, right := range [...]access.Right{access.Watch, access.Read} {
		o := listing.Options{View: view, Reserved: reserved, Right: right}
		if w != nil {
			o.Rules = w.rules
		}
		out.sieves[i] = listing.New(o)
	}
	return out
}

// Shows implements watch.Source.
func (s *seen) Shows(path string) bool { return s.sieves[0].Shows(path) && s.sieves[1].Shows(path) }

// List implements watch.Source.
func (s *seen) List(req node.ListRequest) (node.Listing, error) {
	page, err := s.sieves[0].List(req)
	kept := page.Entries[:0]
	for _, e := range page.Entries {
		if s.sieves[1].Shows(e.Path) {
			kept = append(kept, e)
		}
	}
	page.Entries = kept
	return page, err
}

// poll answers a long poll.
func (s *Server) poll(c *fiber.Ctx, stream *watching.Stream, req *watching.Request, wait time.Duration) error {
	page, err := stream.Poll(context.Background(), req, wait)
	switch {
	case err == nil:
		return s.sendJSON(c, fiber.StatusOK, page)
	case errors.Is(err, watching.ErrBehind): // it has only just been let in.
		return &problem{code: api.Overloaded, status: fiber.StatusServiceUnavailable, detail: err.Error()}
	}
	var p *problem
	if errors.As(err, &p) {
		return err
	}
	return s.viewError("of the watch", err)
}

// stream turns the connection into a stream of events. The server's timeouts end here.
func (s *Server) stream(c *fiber.Ctx, stream *watching.Stream, req *watching.Request) {
	head := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nCache-Control: no-store\r\n"+
		"X-Accel-Buffering: no\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n%s: %s\r\n%s: %s\r\n\r\n",
		api.ContentTypeEvents, api.HeaderNode, s.nodeHeader, api.HeaderConsistency, node.Eventual)
	from := c.Context().RemoteAddr().String()
	c.Context().HijackSetNoResponse(true)
	c.Context().Hijack(func(conn net.Conn) {
		defer stream.Close()
		if conn.SetDeadline(time.Time{}) != nil || conn.SetWriteDeadline(time.Now().Add(watchTimeout)) != nil {
			return
		}
		if _, err := conn.Write(head); err != nil {
			s.opts.Log.Debug("a watcher went before it was answered", "from", from, "error", err)
			return
		}
		stream.Serve(context.Background(), conn, req, watchTimeout)
	})
}
