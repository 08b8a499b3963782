// Package forwarding passes a read on to another member, and its answer back: for a node that has no answer of its own.
//
// It decides neither whether to ask nor whom. Begin with Forwarder.
package forwarding

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"kvs/node/api"
)

const (
	bytesMax    = 64 << 20 // the largest listing is far below it.
	connsMax    = 128      // for each member.
	connIdle    = 10 * time.Second
	dialTimeout = time.Second
)

// New returns a client of other members. The connections of dial are secured already, so the client uses plain
// HTTP.
func New(dial func(context.Context, string) (net.Conn, error)) *Forwarder {
	if dial == nil {
		dial = func(ctx context.Context, addr string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		}
	}
	return &Forwarder{&fasthttp.Client{
		NoDefaultUserAgentHeader: true,
		MaxConnsPerHost:          connsMax,
		MaxIdleConnDuration:      connIdle,
		MaxResponseBodySize:      bytesMax,
		DisablePathNormalizing:   true,
		Dial: func(addr string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
			defer cancel()
			return dial(ctx, addr)
		},
	}}
}

// Forwarder asks other members. It is safe for concurrent use.
type Forwarder struct{ client *fasthttp.Client }

// HeaderAs names, between members, the original sender of a request that is passed on: admin/NAME or client/NAME. From
// other senders it is ignored.
const HeaderAs = "Kvs-As"

// Request says how a request is passed on.
type Request struct {
	Via     string // the name of this node, as its header has it.
	As      string // the original sender; empty: none is proved.
	Timeout time.Duration
}

// Close closes idle connections.
func (f *Forwarder) Close() { f.client.CloseIdleConnections() }

// Ask passes the request of c on to the member at addr, and copies its answer. It returns why that failed.
func (f *Forwarder) Ask(c *fiber.Ctx, addr string, o Request) (failure string) {
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(resp)
	c.Request().Header.CopyTo(&req.Header)
	for _, hop := range []string{fiber.HeaderConnection, fiber.HeaderKeepAlive, fiber.HeaderUpgrade,
		fiber.HeaderTransferEncoding, fiber.HeaderExpect} {
		req.Header.Del(hop)
	}
	req.Header.SetCanonical([]byte(api.HeaderVia), []byte(o.Via))
	req.Header.Del(HeaderAs) // the client's own header does not count.
	if o.As != "" {
		req.Header.Set(HeaderAs, o.As)
	}
	uri := c.Request().URI()
	target := "http://" + addr + string(uri.PathOriginal())
	if query := uri.QueryString(); len(query) > 0 {
		target += "?" + string(query)
	}
	req.SetRequestURI(target)
	req.Header.SetHost(addr)
	resp.SkipBody = c.Method() == fiber.MethodHead
	if err := f.client.DoTimeout(req, resp, o.Timeout); err != nil {
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
	out.Header.SetCanonical([]byte(api.HeaderVia), []byte(o.Via))
	out.SetBodyRaw(bytes.Clone(resp.Body()))
	if resp.SkipBody {
		out.SkipBody = true
	}
	return ""
}

// Status asks the member at addr for its status, for a sender who shows these credentials (the header Authorization;
// empty: none). It does not keep them.
func (f *Forwarder) Status(addr string, credentials []byte, o Request) (*api.Status, error) {
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(resp)
	req.SetRequestURI("http://" + addr + "/status")
	req.Header.SetCanonical([]byte(api.HeaderVia), []byte(o.Via))
	if len(credentials) > 0 {
		req.Header.SetBytesV(fiber.HeaderAuthorization, credentials)
	}
	if o.As != "" {
		req.Header.Set(HeaderAs, o.As)
	}
	if err := f.client.DoTimeout(req, resp, o.Timeout); err != nil {
		return nil, err // it names the address.
	}
	if code := resp.StatusCode(); code != fiber.StatusOK {
		var p api.Problem
		if json.Unmarshal(resp.Body(), &p) == nil && p.Detail != "" {
			return nil, fmt.Errorf("%s: %s", p.Code, p.Detail)
		}
		return nil, fmt.Errorf("its status was answered with %d", code)
	}
	var st api.Status
	if err := json.Unmarshal(resp.Body(), &st); err != nil {
		return nil, fmt.Errorf("its status cannot be read: %w", err)
	}
	return &st, nil
}
