package rest

import (
	"sync/atomic"

	"kvs/node/api"
)

// Limits are those at the edge. Each has a behaviour when it is reached, and is counted.
type Limits struct {
	ConnectionsPerAddress int   // of one client address; further ones are closed, or get 503. 0: no limit.
	RequestsPerSecond     int   // of one token, with a burst of as many; further ones get 429. 0: no limit.
	BodyBytesMax          int64 // of all bodies of clients in flight; further ones get 503.
	HeaderBytesMax        int   // of URL and headers; longer ones get 431.
}

// DefaultLimits are used when Options have no Limits.
var DefaultLimits = Limits{BodyBytesMax: bodiesBytesMax, HeaderBytesMax: headerBytesMax}

// Refusals counts what the limits have refused, since the start.
type Refusals struct {
	Address, Rate, Bodies, Connections uint64
}

type refusalCounters struct{ rate, bodies atomic.Uint64 }

// Refusals returns the counters.
func (s *Server) Refusals() Refusals {
	out := Refusals{Rate: s.refusals.rate.Load(), Bodies: s.refusals.bodies.Load()}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener != nil {
		out.Address, out.Connections = s.listener.Refused()
	}
	return out
}

// withinRate refuses a request when its token has made too many. It does not count members and administrators.
func (s *Server) withinRate(w *who) error {
	if w.rules == nil {
		return nil
	}
	wait := s.rates.Take(w.id)
	if wait == 0 {
		return nil
	}
	s.refusals.rate.Add(1)
	return &problem{code: api.Overloaded, retryAfter: wait,
		detail: "this token makes more requests a second than limits.requests_per_second allows: wait, or " +
			"ask for fewer"}
}
