package process

import (
	"io"
	"net"
	"slices"
	"sync"
	"time"
)

// relay joins the two halves of a connection until one of them ends.
func (r *relays) relay(p *pair) {
	defer r.wg.Done()
	from := r.caller(p)
	var back net.Conn
	var err error
	if from != 0 {
		back, err = net.DialTimeout("tcp", p.door.addrs[p.to].String(), dialMax)
	}
	r.mu.Lock()
	if from == 0 || err != nil || r.closed {
		if back != nil {
			back.Close()
		}
		delete(r.conns, p)
		r.mu.Unlock()
		p.near.Close()
		return
	}
	p.from, p.back = from, back
	r.mu.Unlock()
	var halves sync.WaitGroup
	halves.Add(2)
	go func() { defer halves.Done(); r.pump(p, p.near, p.back, p.from, p.to) }()
	go func() { defer halves.Done(); r.pump(p, p.back, p.near, p.to, p.from) }()
	halves.Wait()
	r.mu.Lock()
	delete(r.conns, p)
	r.mu.Unlock()
}

// piece is a part of a stream, in flight until due.
type piece struct {
	data []byte
	due  time.Time
}

// pump carries one direction, and ends both when it ends.
func (r *relays) pump(p *pair, src io.Reader, dst io.Writer, from, to int) {
	line, broken := make(chan piece, piecesMax), make(chan struct{})
	r.wg.Go(func() {
		defer close(broken)
		defer p.close()
		r.deliver(line, dst)
	})
	r.enter(p, src, line, broken, from, to)
	close(line)
	<-broken // pieces in the line arrive, as long as the other end reads.
}

// enter reads pieces, and puts them into the line.
func (r *relays) enter(p *pair, src io.Reader, line chan<- piece, broken <-chan struct{}, from, to int) {
	buf := make([]byte, chunkBytes)
	var last time.Time
	silent := false
	for {
		n, err := src.Read(buf)
		if err != nil {
			return
		}
		if !r.waitClear(from, to) {
			return
		}
		blocked, lost, delay := r.fate(from, to)
		if silent = silent || blocked; silent {
			r.mu.Lock()
			p.silenced = true
			healed := !r.links.Blocked(from, to) // between the two checks.
			r.mu.Unlock()
			if healed {
				return
			}
			continue
		}
		if lost {
			return
		}
		if due := time.Now().Add(delay); due.After(last) {
			last = due
		}
		select {
		case line <- piece{append([]byte(nil), buf[:n]...), last}:
		case <-broken:
			return
		}
	}
}

// deliver writes each piece when it is due, until the line ends.
func (r *relays) deliver(line <-chan piece, dst io.Writer) {
	for next := range line {
		if wait := time.Until(next.due); wait > 0 {
			select {
			case <-time.After(wait):
			case <-r.done:
				return
			}
		}
		if _, err := dst.Write(next.data); err != nil {
			return
		}
	}
}

// caller is the node that has made a connection; zero: none, but a stranger. A node that has bound its socket to its
// own address is known by that, and every other by its process.
func (r *relays) caller(p *pair) int {
	source := p.near.RemoteAddr().(*net.TCPAddr).AddrPort()
	if from := r.sender(source.Addr()); from != 0 {
		return from
	}
	r.mu.Lock()
	pids := slices.Clone(r.pids)
	r.mu.Unlock()
	return ownerOf(source, p.near.LocalAddr().(*net.TCPAddr).AddrPort(), pids)
}
