package member

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"kvs/chaos"
	"kvs/node"
	"kvs/node/host/seal"
	"kvs/node/wire"
	"kvs/sim"
)

// Seal is how the datagrams of a member are sealed, and what strangers in the network send to it.
type Seal struct {
	Key       seal.Key
	Cluster   string
	Strangers int64      // probability of a forged datagram beside each datagram: parts of a million.
	Rand      *rand.Rand // for the salt, and for strangers.
}

// sealed is the seal of a member in a secure cluster: with the same sealer and the same replay protection as the host
// of a real node.
type sealed struct {
	o       Seal
	sealer  *seal.Sealer
	cluster uint32
	replays seal.Replays
	first   int // of the effects' sends: those of the running step.

	captured [capturedMax][]byte // datagrams that have arrived, for strangers to send again.
	count    int
	notes    []any
}

// capturedMax bounds the datagrams that strangers remember.
const capturedMax = 64

// Broken is the note that a member has accepted a stranger's datagram.
type Broken struct{ What string }

// StartSealed begins a run of a node whose datagrams are sealed.
func StartSealed(now sim.Time, o node.Options, s Seal, eff *sim.Effects) (*Member, error) {
	sealer, err := seal.NewSealerFrom(seal.NewKeyring(s.Key), s.Cluster, reader{s.Rand})
	if err != nil {
		return nil, err
	}
	o.Swim.DatagramBytesMax = node.DatagramBytesMax - wire.EnvelopeBytes - wire.PulseBytes - seal.Overhead
	return start(now, o, &sealed{o: s, sealer: sealer, cluster: wire.ClusterHash(s.Cluster)}, eff)
}

// reader makes a stream of bytes of randomness.
type reader struct{ rng *rand.Rand }

func (r reader) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(r.rng.Uint32())
	}
	return len(b), nil
}

// seal closes the datagrams that the running step sends.
func (d *sealed) seal(sends []node.Send) {
	for i := d.first; i < len(sends); i++ {
		s := &sends[i]
		if s.Transport != node.TransportDatagram {
			continue
		}
		data, err := d.sealer.Seal(s.Data)
		if err != nil {
			panic("kvs: broken invariant: " + err.Error())
		}
		s.Data = data
	}
}

// open returns the content of a datagram; nil: it is refused.
func (d *sealed) open(now sim.Time, datagram []byte) []byte {
	if chaos.Chance(d.o.Rand, d.o.Strangers) {
		d.stranger(now, datagram)
	}
	inside := d.take(now, datagram)
	if inside != nil {
		d.captured[d.count%capturedMax] = slices.Clone(datagram)
		d.count++
	}
	return inside
}

// take does what the host of a node does with a datagram before the node gets it.
func (d *sealed) take(now sim.Time, datagram []byte) []byte {
	inside, err := d.sealer.Open(datagram)
	if err != nil {
		return nil
	}
	if _, from, _, err := wire.Open(inside, d.cluster); err == nil &&
		!d.replays.Fresh(uint64(from), uint64(wire.ReadStamp(inside)), now.Mono) {
		return nil
	}
	return inside
}

// stranger sends a forged datagram to the member, just before a datagram of another member arrives.
func (d *sealed) stranger(now sim.Time, next []byte) {
	what, datagram := d.forge(next)
	if d.take(now, datagram) != nil {
		d.notes = append(d.notes, &Broken{what})
	}
}

// forge draws what a stranger sends.
func (d *sealed) forge(next []byte) (what string, datagram []byte) {
	rng := d.o.Rand
	kind := rng.IntN(5)
	if kind == 0 && d.count > 0 { // a replay of a datagram that this member has accepted during this run.
		return "one that it had accepted before", d.captured[rng.IntN(min(d.count, capturedMax))]
	}
	datagram = slices.Clone(next)
	switch kind {
	case 1: // a stranger cannot read the content, but can flip a bit of it.
		datagram[rng.IntN(len(datagram))] ^= 1 << rng.IntN(8)
		return "one with a flipped bit", datagram
	case 2:
		return "one of which the end was cut off", datagram[:rng.IntN(len(datagram))]
	case 3: // a message as a member writes it, of a cluster without seals.
		b := []byte{wire.Version, byte(wire.KindGossip)}
		b = binary.LittleEndian.AppendUint32(b, d.cluster)
		b = binary.LittleEndian.AppendUint32(b, 0)
		b = binary.LittleEndian.AppendUint64(b, rng.Uint64()|1)
		b = binary.LittleEndian.AppendUint64(b, rng.Uint64())
		return "one without a seal", wire.Seal(append(b, "nonsense"...))
	}
	var key seal.Key // a stranger does not have the right one.
	binary.LittleEndian.PutUint64(key[:], rng.Uint64())
	sealer, err := seal.NewSealerFrom(seal.NewKeyring(key), d.o.Cluster, reader{rng})
	if err == nil {
		datagram, err = sealer.Seal(datagram)
	}
	if err != nil {
		panic("kvs: broken invariant: " + err.Error())
	}
	id := d.o.Key.ID()
	copy(datagram[2:], id[:]) // every datagram has the ID of the right one.
	return "one that was sealed with another key", datagram
}

// provenBy is the name that the sender of a frame has proved.
func provenBy(address string) string {
	name, _, _ := strings.Cut(address, ":")
	return name
}

// String describes the datagram for people.
func (b *Broken) String() string { return fmt.Sprintf("accepts a datagram of a stranger: %s", b.What) }
