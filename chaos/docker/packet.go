package docker

import (
	"encoding/binary"
	"net/netip"
)

// packet is the kernel's data about a packet that waits for a verdict.
type packet struct {
	id     uint32
	header []byte // of IP.
}

// Netlink messages of the netfilter queue are those of linux/netfilter/nfnetlink_queue.h: a header of 16 bytes in the
// byte order of the machine (length, kind, flags, ...), a header of 4 bytes with the number of the queue, then
// attributes (length, kind, value, padded to whole words). Numbers inside of attributes are big endian.
const (
	netlinkBytes      = 16 + 4
	queueSubsystem    = 3 << 8
	messagePacket     = queueSubsystem // and kind 0.
	attributePacketID = 1              // the number that the verdict names comes first in it.
	attributePayload  = 10
	attributeKindMask = 0x3fff // the other bits are flags.

	ipHeaderBytes = 20
	protocolTCP   = 6
)

// packets reads the netlink messages of one datagram from the kernel, and returns the packets among them. Unknown
// messages are left out.
func packets(b []byte) (out []packet) {
	for len(b) >= netlinkBytes {
		size := int(binary.NativeEndian.Uint32(b))
		if size < netlinkBytes || size > len(b) {
			return out
		}
		if binary.NativeEndian.Uint16(b[4:]) == messagePacket {
			var p packet
			known := false
			for a := b[netlinkBytes:size]; len(a) >= 4; {
				length, kind := int(binary.NativeEndian.Uint16(a)), binary.NativeEndian.Uint16(a[2:])&attributeKindMask
				if length < 4 || length > len(a) {
					break
				}
				switch value := a[4:length]; {
				case kind == attributePacketID && len(value) >= 4:
					p.id, known = binary.BigEndian.Uint32(value), true
				case kind == attributePayload:
					p.header = append([]byte(nil), value...)
				}
				a = a[min(len(a), (length+3)&^3):]
			}
			if known {
				out = append(out, p)
			}
		}
		b = b[min(len(b), (size+3)&^3):]
	}
	return out
}

// ends returns the addresses of an IPv4 header, and whether it carries TCP.
func ends(header []byte) (from, to netip.Addr, tcp, ok bool) {
	if len(header) < ipHeaderBytes || header[0]>>4 != 4 {
		return from, to, false, false
	}
	return netip.AddrFrom4([4]byte(header[12:16])), netip.AddrFrom4([4]byte(header[16:20])), header[9] == protocolTCP,
		true
}
