package transport

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Resolver turns "host:port" into addresses, and remembers them. A lookup may take ten seconds when the name's machine
// is gone. For callers that must not wait, Cached answers at once with the last known address, however old, and looks
// the name up in the background. It is safe for concurrent use.
type Resolver struct {
	lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	now    func() time.Time

	mu    sync.Mutex
	cache map[string]*resolved
}

// resolved is the state of one "host:port". done is closed when the running lookup ends.
type resolved struct {
	addr    netip.AddrPort   // the one of addrs that is used; zero: none is known.
	addrs   []netip.AddrPort // all that the name has.
	proven  bool             // a member has answered at addr.
	err     error            // of the last lookup.
	until   time.Time        // then it is looked up again; zero for literal addresses: never.
	done    chan struct{}    // nil: none is running.
	literal bool
}

const (
	resolvedFor        = 30 * time.Second // a found name is looked up again after it,
	unresolvedFor      = time.Second      // a name that was not found, or did not answer, after this.
	resolveTimeout     = 5 * time.Second
	resolverEntriesMax = 4096 // beyond it all entries are dropped and looked up anew.
)

// NewResolver returns a Resolver that asks the system.
func NewResolver() *Resolver {
	return newResolver(func(ctx context.Context, host string) ([]netip.Addr, error) {
		return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	}, time.Now)
}

func newResolver(lookup func(context.Context, string) ([]netip.Addr, error), now func() time.Time) *Resolver {
	return &Resolver{lookup: lookup, now: now, cache: map[string]*resolved{}}
}

// Cached returns the address known for hostport, if any. It never waits.
func (r *Resolver) Cached(hostport string) (netip.AddrPort, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entry(hostport)
	return e.addr, e.addr.IsValid()
}

// Resolve returns the address known for hostport, and waits for the running lookup when there is none.
func (r *Resolver) Resolve(ctx context.Context, hostport string) (netip.AddrPort, error) {
	r.mu.Lock()
	e := r.entry(hostport)
	addr, err, done := e.addr, e.err, e.done
	r.mu.Unlock()
	if addr.IsValid() {
		return addr, nil
	}
	if done == nil {
		return netip.AddrPort{}, err
	}
	select {
	case <-done:
	case <-ctx.Done():
		return netip.AddrPort{}, fmt.Errorf("resolve %s: %w", hostport, ctx.Err())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.addr.IsValid() {
		return e.addr, nil
	}
	return netip.AddrPort{}, e.err
}

// Candidates is Cached for callers that get no answers: all the addresses of a name, at most candidatesMax, until one
// of them is proven.
func (r *Resolver) Candidates(hostport string) []netip.AddrPort {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entry(hostport)
	switch {
	case !e.addr.IsValid():
		return nil
	case e.proven || len(e.addrs) < 2:
		return []netip.AddrPort{e.addr}
	}
	return slices.Clone(e.addrs[:min(len(e.addrs), candidatesMax)])
}

// candidatesMax bounds the addresses of one name that are tried at once.
const candidatesMax = 4

// Prove records that a member answered at addr, which Resolve returned for hostport.
func (r *Resolver) Prove(hostport string, addr netip.AddrPort) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.cache[hostport]; e != nil && e.addr == addr {
		e.proven = true
	}
}

// Doubt records that no member answered at the known address of hostport: the name may have another address at which
// one answers, or may have changed.
func (r *Resolver) Doubt(hostport string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.cache[hostport]; e != nil && !e.literal {
		e.proven = false
		if i := slices.Index(e.addrs, e.addr); i >= 0 {
			e.addr = e.addrs[(i+1)%len(e.addrs)]
		}
		if soon := r.now().Add(unresolvedFor); soon.Before(e.until) {
			e.until = soon
		}
	}
}

// entry returns the state of hostport, and starts a lookup when it is due. The caller holds r.mu.
func (r *Resolver) entry(hostport string) *resolved {
	e := r.cache[hostport]
	if e == nil {
		if len(r.cache) >= resolverEntriesMax {
			clear(r.cache)
		}
		e = &resolved{}
		e.addr, e.literal = parseLiteral(hostport)
		r.cache[hostport] = e
	}
	if e.literal || e.done != nil || r.now().Before(e.until) {
		return e
	}
	e.done = make(chan struct{})
	go r.look(hostport, e, e.done)
	return e
}

// look runs one lookup. A lookup that ignores its context leaves only this goroutine behind.
func (r *Resolver) look(hostport string, e *resolved, done chan struct{}) {
	addrs, err := r.lookUp(hostport)
	r.mu.Lock()
	defer r.mu.Unlock()
	e.err, e.done = err, nil
	if err == nil {
		e.addrs, e.until = addrs, r.now().Add(resolvedFor)
		if !slices.Contains(addrs, e.addr) {
			e.addr, e.proven = addrs[0], false
		}
	} else {
		e.until = r.now().Add(unresolvedFor) // the former address is still the best guess.
	}
	close(done)
}

// lookUp returns all addresses of a name, at least one, those of IPv4 first: members listen on IPv4 unless told
// otherwise.
func (r *Resolver) lookUp(hostport string) ([]netip.AddrPort, error) {
	host, portText, err := net.SplitHostPort(hostport)
	if err != nil {
		return nil, fmt.Errorf("resolve %q: %w", hostport, err)
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil || port == 0 {
		return nil, fmt.Errorf("resolve %q: want a port from 1 to 65535", hostport)
	}
	ctx, cancel := context.WithTimeout(context.Background(), resolveTimeout)
	defer cancel()
	found, err := r.lookup(ctx, host)
	if err != nil {
		return nil, fmt.Errorf("resolve %q: %w", hostport, err)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("resolve %q: no address", hostport)
	}
	var four, six []netip.AddrPort
	for _, a := range found {
		ap := netip.AddrPortFrom(a.Unmap(), uint16(port))
		switch {
		case slices.Contains(four, ap) || slices.Contains(six, ap):
		case ap.Addr().Is4():
			four = append(four, ap)
		default:
			six = append(six, ap)
		}
	}
	return append(four, six...), nil
}

func parseLiteral(hostport string) (netip.AddrPort, bool) {
	ap, err := netip.ParseAddrPort(hostport)
	if err != nil || ap.Port() == 0 {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()), true
}
