package process

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"time"

	"kvs/chaos"
	"kvs/chaos/ports"
)

// Bounds of the relays. Messages that do not fit are lost, as in any network.
const (
	heldMax     = 4096 // datagrams being delayed at once.
	piecesMax   = 256  // pieces of a stream being delayed at once: then its sender waits.
	connsMax    = 256  // connections between nodes at once.
	chunkBytes  = 64 << 10
	acceptPause = 10 * time.Millisecond
	dialMax     = time.Second // to a node of this machine.
	portTries   = 5
)

// relays is the network between the nodes: each node has a relay before it, TCP and UDP on each of its ports.
//
// A stream cannot have a hole, and keeps its order; its pieces are delayed in parallel, as on a long line. So a blocked
// piece blocks the rest of its connection in that direction, and the connection is reset when the links change next; a
// lost piece resets it at once. A clogged piece waits, and with it the pieces after it.
type relays struct {
	*door         // the nodes' first port; of kvs the only one.
	doors []*door // by the ports of a node.

	mu     sync.Mutex
	links  *chaos.Links
	rng    *rand.Rand
	pids   []int // by node: its process, zero while it has none.
	conns  map[*pair]bool
	held   int
	clogs  []clogged     // datagrams on clogged links, in their order.
	clear  chan struct{} // closed when the links change.
	closed bool
	done   chan struct{}
	wg     sync.WaitGroup
}

// door is one port of every node, and the relays before it.
type door struct {
	addrs []netip.AddrPort // of the nodes, [0] unused.
	front []netip.AddrPort // of their relays: what nodes advertise.
	udp   []*net.UDPConn
	tcp   []*net.TCPListener
}

// clogged is a datagram that waits for its link to be clear.
type clogged struct {
	door     *door
	from, to int
	data     []byte
}

// pair is one relayed connection, which node from made to node to.
type pair struct {
	door       *door
	from, to   int
	near, back net.Conn
	silenced   bool
}

func (p *pair) close() {
	p.near.Close()
	if p.back != nil {
		p.back.Close()
	}
}

// openRelays finds free addresses for nodes with so many ports and for their relays, in a /16 of loopback that rng
// draws.
func openRelays(nodes, ports int, base chaos.Link, rng *rand.Rand) (*relays, error) {
	r := &relays{
		links: chaos.NewLinks(nodes, base), rng: rng, pids: make([]int, nodes+1), conns: map[*pair]bool{},
		clear: make(chan struct{}), done: make(chan struct{}),
	}
	block := byte(16 + rng.IntN(200))
	for range ports {
		r.doors = append(r.doors, &door{
			addrs: make([]netip.AddrPort, nodes+1), front: make([]netip.AddrPort, nodes+1),
			udp: make([]*net.UDPConn, nodes+1), tcp: make([]*net.TCPListener, nodes+1),
		})
	}
	r.door = r.doors[0]
	for _, d := range r.doors {
		for i := 1; i <= nodes; i++ {
			if err := d.listen(i, block); err != nil {
				r.close()
				return nil, fmt.Errorf("relay of n%d: %w; all of 127.0.0.0/8 must be this machine, as on Linux", i, err)
			}
		}
	}
	for _, d := range r.doors {
		for i := 1; i <= nodes; i++ {
			r.wg.Add(2)
			go r.serveUDP(d, i)
			go r.serveTCP(d, i)
		}
	}
	return r, nil
}

// listen opens both sockets of relay i on one port; node i gets the same port on its own address. It is not one of
// those that the system gives to outgoing connections: the ones of an earlier run, which may have drawn this address
// too, keep theirs for a minute after their end.
func (d *door) listen(i int, block byte) (err error) {
	front := netip.AddrFrom4([4]byte{127, block, 1, byte(i)})
	own := netip.AddrFrom4([4]byte{127, block, 0, byte(i)})
	for range portTries { // another process may take it meanwhile.
		var port int
		if port, err = ports.FreeAt(front.String(), own.String()); err != nil {
			return err
		}
		d.front[i], d.addrs[i] = netip.AddrPortFrom(front, uint16(port)), netip.AddrPortFrom(own, uint16(port))
		l, tcpErr := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(d.front[i]))
		if tcpErr != nil {
			err = tcpErr
			continue
		}
		u, udpErr := net.ListenUDP("udp", net.UDPAddrFromAddrPort(d.front[i]))
		if udpErr != nil {
			err = errors.Join(udpErr, l.Close())
			continue
		}
		d.tcp[i], d.udp[i] = l, u
		return nil
	}
	return err
}

// apply puts a network fault in force.
func (r *relays) apply(f chaos.Fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.links.Apply(f)
	for p := range r.conns {
		if p.silenced {
			p.close()
		}
	}
	if f.Kind == chaos.Reset {
		r.reset(f)
	}
	r.unclog()
}

// reset breaks connections. r.mu is held.
func (r *relays) reset(f chaos.Fault) {
	r.links.Each(f, func(from, to int) {
		for p := range r.conns {
			if p.from == from && p.to == to {
				p.close()
			}
		}
	})
}

// unclog releases what waits on links that are clear. r.mu is held.
func (r *relays) unclog() {
	close(r.clear)
	r.clear = make(chan struct{})
	still := r.clogs[:0]
	for _, d := range r.clogs {
		switch {
		case r.links.Clogged(d.from, d.to):
			still = append(still, d)
		case !r.links.Blocked(d.from, d.to):
			_, _ = d.door.udp[d.from].WriteToUDPAddrPort(d.data, d.door.addrs[d.to])
		}
	}
	r.clogs = still
}

// clog keeps a datagram whose link is clogged, and reports whether it is.
func (r *relays) clog(d *door, from, to int, data []byte) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.links.Clogged(from, to) {
		return false
	}
	if len(r.clogs) < heldMax {
		r.clogs = append(r.clogs, clogged{d, from, to, append([]byte(nil), data...)})
	}
	return true
}

// waitClear returns when a link is not clogged any more. It reports whether the relays are still open.
func (r *relays) waitClear(from, to int) bool {
	for {
		r.mu.Lock()
		is, changed := r.links.Clogged(from, to), r.clear
		r.mu.Unlock()
		if !is {
			return true
		}
		select {
		case <-changed:
		case <-r.done:
			return false
		}
	}
}

// fate decides about one datagram or piece of a stream.
func (r *relays) fate(from, to int) (blocked, lost bool, delay time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.links.Blocked(from, to) {
		return true, false, 0
	}
	l := r.links.Link(from, to)
	return false, chaos.Chance(r.rng, l.Loss), chaos.DrawDuration(r.rng, l.Delay, l.DelayMax)
}

// reaches reports whether messages pass from one node to another at once.
func (r *relays) reaches(from, to int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.links.Blocked(from, to) && !r.links.Clogged(from, to)
}

// runs records the process of a node, zero when it has none any more.
func (r *relays) runs(i, pid int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pids[i] = pid
}

// sender is the node that an address belongs to; zero: none.
func (r *relays) sender(a netip.Addr) int {
	for i := 1; i < len(r.addrs); i++ {
		if r.addrs[i].Addr() == a.Unmap() {
			return i
		}
	}
	return 0
}

// serveUDP forwards datagrams for node to. They leave from the sender's relay, so that answers return the same way.
func (r *relays) serveUDP(d *door, to int) {
	defer r.wg.Done()
	buf := make([]byte, chunkBytes)
	for {
		n, src, err := d.udp[to].ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		from := r.sender(src.Addr())
		if err != nil || from == 0 {
			continue // of a socket that is gone, or of a stranger.
		}
		blocked, lost, delay := r.fate(from, to)
		if blocked || lost || r.clog(d, from, to, buf[:n]) {
			continue
		}
		if delay == 0 {
			_, _ = d.udp[from].WriteToUDPAddrPort(buf[:n], d.addrs[to]) // a node that is down does not receive it.
			continue
		}
		r.hold(d, from, to, append([]byte(nil), buf[:n]...), delay)
	}
}

func (r *relays) hold(d *door, from, to int, data []byte, delay time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.held >= heldMax {
		return
	}
	r.held++
	time.AfterFunc(delay, func() {
		_, _ = d.udp[from].WriteToUDPAddrPort(data, d.addrs[to])
		r.mu.Lock()
		r.held--
		r.mu.Unlock()
	})
}

func (r *relays) serveTCP(d *door, to int) {
	defer r.wg.Done()
	for {
		conn, err := d.tcp[to].Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(acceptPause) // too many open files, mostly, which does not change at once.
			continue
		}
		p := &pair{door: d, to: to, near: conn}
		if !r.add(p) {
			conn.Close()
			continue
		}
		go r.relay(p)
	}
}

func (r *relays) add(p *pair) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || len(r.conns) >= connsMax {
		return false
	}
	r.conns[p] = true
	r.wg.Add(1)
	return true
}

// close ends the network and waits for its goroutines.
func (r *relays) close() {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return
	}
	r.closed = true
	close(r.done)
	for p := range r.conns {
		p.close()
	}
	r.mu.Unlock()
	for _, d := range r.doors {
		for i := 1; i < len(d.udp); i++ {
			if d.udp[i] != nil {
				d.udp[i].Close()
				d.tcp[i].Close()
			}
		}
	}
	r.wg.Wait()
}
