package rest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"kvs/node"
	"kvs/node/api"
)

// A node that is still fetching its data has no answers of its own. It passes reads on to a member that serves: at most
// one hop, which the header Kvs-Via ensures. The answer is that member's, its name in Kvs-Node, with Kvs-Via naming
// this one.

const (
	forwardTriesMax     = 3
	forwardBytesMax     = 64 << 20 // the largest listing is far below it.
	forwardConnsMax     = 128      // for each member.
	forwardConnIdle     = 10 * time.Second
	forwardDialTimeout  = time.Second
	forwardTriesTimeout = 2 // parts of the request's time: a silent member must leave time for another one.
)

// newForwarder returns a client of other members. The connections of dial are secured already, so the client uses plain
// HTTP.
func newForwarder(dial func(context.Context, string) (net.Conn, error)) *fasthttp.Client {
	if dial == nil {
		dial = func(ctx context.Context, addr string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		}
	}
	return &fasthttp.Client{
		NoDefaultUserAgentHeader: true,
		MaxConnsPerHost:          forwardConnsMax,
		MaxIdleConnDuration:      forwardConnIdle,
		MaxResponseBodySize:      forwardBytesMax,
		DisablePathNormalizing:   true,
		Dial: func(addr string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(context.Background(), forwardDialTimeout)
			defer cancel()
			return dial(ctx, addr)
		},
	}
}

// passOn answers a read through another member when this node cannot answer it; done is false when it can.
func (s *Server) passOn(c *fiber.Ctx) (done bool, err error) {
	switch s.opts.Core.Mode() {
	case node.ModeSyncing:
	case node.ModeFailed:
		return true, refuse(api.StorageFailed, "the disk failed: this node answers nothing until it is started again")
	default:
		return false, nil
	}
	if via := c.Request().Header.Peek(api.HeaderVia); len(via) > 0 {
		return true, refuse(api.Syncing, "this node is still fetching its data, and so is %.255s, which passed the "+
			"request on: ask another member", decodedName(via))
	}
	snap := s.opts.Core.Snapshot()
	if snap.Mode != node.ModeSyncing || snap.Bootstrap == nil {
		return false, nil // it has just become ready.
	}
	ready := snap.Bootstrap.Ready
	last := "none is known that serves"
	first := int(s.forwarded.Add(1))
	for i := range min(len(ready), forwardTriesMax) {
		addr := ready[(first+i)%len(ready)]
		if last = s.askMember(c, addr); last == "" {
			return true, nil
		}
	}
	c.Context().Response.Reset()
	c.Context().Response.Header.SetCanonical([]byte(api.HeaderNode), []byte(s.nodeHeader))
	return true, refuse(api.Syncing, "this node is still fetching its data (%s), and no other member could answer in "+
		"its place: %s", strings.Join(snap.Reasons, ", "), last)
}

// askMember passes the request on to the member at addr and copies its answer. It returns why that failed.
func (s *Server) askMember(c *fiber.Ctx, addr string) (failure string) {
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(resp)
	c.Request().Header.CopyTo(&req.Header)
	for _, hop := range []string{fiber.HeaderConnection, fiber.HeaderKeepAlive, fiber.HeaderUpgrade,
		fiber.HeaderTransferEncoding, fiber.HeaderExpect} {
		req.Header.Del(hop)
	}
	req.Header.SetCanonical([]byte(api.HeaderVia), []byte(s.nodeHeader))
	req.Header.Del(headerAs) // the client's own header does not count.
	if as := asWhom(c); as != "" {
		req.Header.Set(headerAs, as)
	}
	uri := c.Request().URI()
	target := "http://" + addr + string(uri.PathOriginal())
	if query := uri.QueryString(); len(query) > 0 {
		target += "?" + string(query)
	}
	req.SetRequestURI(target)
	req.Header.SetHost(addr)
	resp.SkipBody = c.Method() == fiber.MethodHead
	if err := s.forwarder.DoTimeout(req, resp, s.opts.RequestTimeout/forwardTriesTimeout); err != nil {
		return fmt.Sprintf("%s: %v", addr, err)
	}
	if resp.StatusCode() == fiber.StatusServiceUnavailable {
		return fmt.Sprintf("%s: it does not serve either", addr)
	}
	out := &c.Context().Response
	resp.Header.CopyTo(&out.Header)
	out.Header.Del(fiber.HeaderConnection)
	for _, name := range []string{api.HeaderNode, fiber.HeaderETag} { // fasthttp normalises the names that it reads.
		if v := resp.Header.Peek(name); len(v) > 0 {
			out.Header.Del(name)
			out.Header.SetCanonical([]byte(name), bytes.Clone(v))
		}
	}
	out.Header.SetCanonical([]byte(api.HeaderVia), []byte(s.nodeHeader))
	out.SetBodyRaw(bytes.Clone(resp.Body()))
	if resp.SkipBody {
		out.SkipBody = true
	}
	return ""
}

func escapedName(name string) string { return url.PathEscape(name) }

// decodedName is a node's name without percent-encoding.
func decodedName(header []byte) string {
	name, err := url.PathUnescape(string(header))
	if err != nil {
		return string(header)
	}
	return name
}
