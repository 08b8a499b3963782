//go:build !linux

package process

import "net/netip"

// ownerOf needs /proc: elsewhere a node must bind its sockets to its own address.
func ownerOf(netip.AddrPort, netip.AddrPort, []int) int { return 0 }
