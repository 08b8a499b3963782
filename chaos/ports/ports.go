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
	"strconv"
	"strings"
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
func Free(count int) (base int, err error) { return search(count, "127.0.0.1") }

// FreeAt returns a port that can be listened on at each of several addresses of this machine, for TCP and for UDP. It
// is not reserved.
func FreeAt(hosts ...string) (int, error) { return search(1, hosts...) }

func search(count int, hosts ...string) (base int, err error) {
	if count < 1 || count > last-first {
		return 0, fmt.Errorf("%d ports in a row: there are 1 to %d", count, last-first)
	}
	for range (last - first) / count {
		offset := (next.Add(int64(count)) - int64(count)) % int64(last-first) // of the first of those taken from it.
		base = first + int(offset)
		if base+count-1 > last {
			continue
		}
		if err = free(base, count, hosts); err == nil {
			return base, nil
		}
	}
	return 0, fmt.Errorf("no %d free ports in a row on %s from %d to %d; end some listeners (ss -lntup "+
		"shows them): %w", count, strings.Join(hosts, ", "), first, last, err)
}

// free tries them all, and holds each until all were tried.
func free(base, count int, hosts []string) error {
	for port := base; port < base+count; port++ {
		for _, host := range hosts {
			addr := net.JoinHostPort(host, strconv.Itoa(port))
			tcp, err := net.Listen("tcp", addr)
			if err != nil {
				return err
			}
			defer tcp.Close()
			udp, err := net.ListenPacket("udp", addr)
			if err != nil {
				return err
			}
			defer udp.Close()
		}
	}
	return nil
}
