package transport

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"kvs/node"
	"kvs/node/host/seal"
)

// Datagrams is the UDP socket for gossip. Send is safe beside Serve.
type Datagrams struct {
	conn     *net.UDPConn
	resolver *Resolver
	logger   *slog.Logger
	limit    limiter
	refusals limiter // of log lines about refused datagrams.
	stats    datagramCounters

	sealer   *seal.Sealer // nil: datagrams are not sealed.
	plainToo bool
}

type datagramCounters struct {
	in, inOversize, inRefused, out, outOversize, unresolved, errors atomic.Uint64
}

// DatagramStats counts since the start.
type DatagramStats struct {
	In, InOversize   uint64 // received and handed on; received and dropped because they were too long.
	InRefused        uint64 // received and dropped because no member had sealed them.
	Out, OutOversize uint64
	Unresolved       uint64 // dropped because the address of their receiver was not known yet.
	Errors           uint64
}

// ListenDatagrams opens the socket at addr ("host:port").
func ListenDatagrams(addr string, resolver *Resolver, logger *slog.Logger) (*Datagrams, error) {
	if resolver == nil || logger == nil {
		return nil, errors.New("datagrams: a resolver and a logger are required")
	}
	local, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen for gossip on %s (UDP): %w", addr, err)
	}
	conn, err := net.ListenUDP("udp", local)
	if err != nil {
		return nil, fmt.Errorf("listen for gossip on %s (UDP): %w", addr, err)
	}
	return &Datagrams{conn: conn, resolver: resolver, logger: logger, limit: limiter{interval: complaintInterval},
		refusals: limiter{interval: complaintInterval}}, nil
}

// SealWith makes Send seal datagrams, and Serve refuse those that no member has sealed. It is called before Serve and
// Send. With plainToo, while a cluster changes over, each datagram is sent twice, sealed and plain, for receivers of
// both kinds, and either is accepted.
func (d *Datagrams) SealWith(s *seal.Sealer, plainToo bool) { d.sealer, d.plainToo = s, plainToo }

// Addr is the address that the socket is bound to.
func (d *Datagrams) Addr() string { return d.conn.LocalAddr().String() }

// readPause keeps a socket that only returns errors from using a whole CPU core.
const readPause = 10 * time.Millisecond

// Serve hands every datagram that is not too long to deliver, until Close. The data belongs to deliver.
func (d *Datagrams) Serve(deliver func(from string, data []byte)) {
	// One byte more than allowed is enough to recognise a datagram that is too long; the kernel drops the rest of it.
	buf := make([]byte, node.DatagramBytesMax+seal.Overhead+1)
	var names sourceNames
	for {
		n, from, err := d.conn.ReadFromUDPAddrPort(buf)
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			d.complain("gossip socket: read failed", "error", err)
			<-time.After(readPause)
		default:
			if data := d.take(buf[:n]); data != nil {
				d.stats.in.Add(1)
				deliver(names.of(from), data)
			}
		}
	}
}

// take returns the content of a datagram, in memory of its own; nil: the datagram is dropped.
func (d *Datagrams) take(datagram []byte) []byte {
	if d.sealer != nil && !(d.plainToo && !seal.IsSealed(datagram)) {
		inside, err := d.sealer.Open(datagram)
		if err != nil {
			d.stats.inRefused.Add(1)
			if ok, skipped := d.refusals.allow(time.Now()); ok {
				d.logger.Warn("gossip datagrams are refused", "error", err, "skipped", skipped)
			}
			return nil
		}
		return inside
	}
	if len(datagram) > node.DatagramBytesMax {
		d.stats.inOversize.Add(1)
		return nil
	}
	return bytes.Clone(datagram)
}

// Send sends data, which it does not keep, to the member at to. It does not wait for a name lookup.
func (d *Datagrams) Send(to string, data []byte) {
	if len(data) > node.DatagramBytesMax {
		d.stats.outOversize.Add(1)
		d.logger.Error("gossip datagram too long, dropped", "bytes", len(data), "limit", node.DatagramBytesMax)
		return
	}
	addrs := d.resolver.Candidates(to)
	if len(addrs) == 0 {
		d.stats.unresolved.Add(1)
		return
	}
	forms := [][]byte{data}
	if d.sealer != nil {
		sealed, err := d.sealer.Seal(data)
		if err != nil {
			d.complain("gossip: sealing failed", "error", err)
			return
		}
		if forms[0] = sealed; d.plainToo {
			forms = append(forms, data)
		}
	}
	sent := false
	var failed error
	for _, addr := range addrs {
		// it is unknown at which of a name's addresses the member listens; a second copy does no harm.
		for _, form := range forms {
			if _, err := d.conn.WriteToUDPAddrPort(form, addr); err != nil {
				failed = err
			} else {
				sent = true
			}
		}
	}
	switch {
	case sent:
		d.stats.out.Add(1)
	case !errors.Is(failed, net.ErrClosed):
		d.complain("gossip socket: send failed", "to", to, "error", failed)
	}
}

func (d *Datagrams) complain(msg string, attrs ...any) {
	d.stats.errors.Add(1)
	if ok, skipped := d.limit.allow(time.Now()); ok {
		d.logger.Warn(msg, append(attrs, "skipped", skipped)...)
	}
}

// Stats returns the counters.
func (d *Datagrams) Stats() DatagramStats {
	s := &d.stats
	return DatagramStats{
		In: s.in.Load(), InOversize: s.inOversize.Load(), InRefused: s.inRefused.Load(), Out: s.out.Load(),
		OutOversize: s.outOversize.Load(),
		Unresolved:  s.unresolved.Load(), Errors: s.errors.Load(),
	}
}

// Close ends Serve.
func (d *Datagrams) Close() error { return d.conn.Close() }

// sourceNames remembers the text of addresses, because the same few members write all the time.
type sourceNames struct{ byAddr map[netip.AddrPort]string }

const sourceNamesMax = 2048

func (s *sourceNames) of(a netip.AddrPort) string {
	name, ok := s.byAddr[a]
	if !ok {
		if s.byAddr == nil || len(s.byAddr) >= sourceNamesMax {
			s.byAddr = map[netip.AddrPort]string{}
		}
		name = netip.AddrPortFrom(a.Addr().Unmap(), a.Port()).String()
		s.byAddr[a] = name
	}
	return name
}
