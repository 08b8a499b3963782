// Package ports finds ports on loopback for nodes that are started for a test, stopped, and started again.
//
// They are below the range from which the system takes the local ports of outgoing connections. A port within that
// range may be taken when its node comes back: another process's connection has got it meanwhile, or even that of a
// peer that dials the dead node, which TCP then connects with itself (RFC 9293, section 3.5, simultaneous open).
package ports

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync/atomic"
)

const (
	first = 20000
	last  = 31999 // Linux hands out ports from 32768 on; BSD and macOS from 49152.
)

// next is where the search goes on: as long as there are other ports, two callers in this process do not get the same.
var next atomic.Int64

func init() { next.Store(rand.Int64N(last - first)) } // packages are tested by processes side by side.

// Free returns the first of count ports in a row that no process listens on at 127.0.0.1, neither for TCP nor for UDP.
// They are not reserved: another process may still take them.
func Free(count int) (base int, err error) {
	if count < 1 || count > last-first {
		return 0, fmt.Errorf("%d ports in a row: there are 1 to %d", count, last-first)
	}
	for range (last - first) / count {
		offset := (next.Add(int64(count)) - int64(count)) % int64(last-first) // of the first of those taken from it.
		base = first + int(offset)
		if base+count-1 <= last && free(base, count) {
			return base, nil
		}
	}
	return 0, fmt.Errorf("no %d free ports in a row on 127.0.0.1 from %d to %d; end some listeners (ss -lntup "+
		"shows them)", count, first, last)
}

// free tries them all, and holds each until all were tried.
func free(base, count int) bool {
	for port := base; port < base+count; port++ {
		addr := fmt.Sprintf("127.0.0.1:%d", port)
		tcp, err := net.Listen("tcp", addr)
		if err != nil {
			return false
		}
		defer tcp.Close()
		udp, err := net.ListenPacket("udp", addr)
		if err != nil {
			return false
		}
		defer udp.Close()
	}
	return true
}
