package node

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"kvs/node/conflicts"
	"kvs/node/contract"
	"kvs/node/image"
	"kvs/node/invariant"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/node/tombstones"
	"kvs/node/wire"
)

// What simulators, explorers and operators see of a node's state. The core does not use it.

// OpenOperations lists the operations under way, in the order in which they began, so that operators see what they wait
// for. The list is as long as there are operations: call it rarely.
func (n *Node) OpenOperations() []contract.OpenOperation {
	out := n.quorum.AppendOpen(n.register.AppendOpen(nil))
	if c, open := n.configuration.OpenChange(); open {
		out = append(out, contract.OpenOperation{
			Request: c.Request, Op: c.Op, Level: contract.Linearizable, Path: c.Path,
			Waits: "voters to catch up with the configuration", Members: c.Missing,
		})
	}
	return out
}

// AppendOperationState appends an unambiguous encoding of the state in memory that the further course of linearizable
// operations depends on: the operations under way, whose turn it is, the clock, the configuration. Together with the
// store, the pending persists and the messages in flight it is the state of an explorer. Left out are the times of
// timers, the numbers of future exchanges, and state that does not concern operations.
func (n *Node) AppendOperationState(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, n.Epoch())
	b = binary.LittleEndian.AppendUint64(b, n.CaughtUp)
	b = binary.LittleEndian.AppendUint64(b, uint64(n.HLC.Last()))
	return n.register.AppendState(n.AppendPromises(b))
}

// SetLogLevel sets the level below which no lines are made, between two steps.
func (n *Node) SetLogLevel(level contract.LogLevel) { n.LogLevel = level }

// ErrImageTooLarge means that an image would be larger than asked for.
var ErrImageTooLarge = image.ErrTooLarge

// imageOptions name what does not belong to the state of a node.
func (n *Node) imageOptions(bytesMax int) image.Options {
	return image.Options{Kept: []any{&n.Shared, n.Rand}, BytesMax: bytesMax}
}

// Image appends the whole state of the node in memory, between two steps, for Revive. What it keeps of its store in
// memory it forgets, so that a node made of the image reads from then on what this one reads. The state of Rand is not
// in it. Zero: no bound. Errors wrap ErrImageTooLarge.
func (n *Node) Image(b []byte, bytesMax int) ([]byte, error) {
	invariant.That(n.Eff == nil, "an image of a node within a step")
	n.Shared.ForgetAllRecent()
	n.comparison.ForgetRecent()
	return image.Append(b, n, n.imageOptions(bytesMax))
}

// Revive makes a node of an image. It goes on where the other one was: with the same inputs, reads and randomness it
// has the same effects. Errors: the image is not of this program.
func Revive(of []byte, store contract.Reader, rng *rand.Rand) (*Node, error) {
	o := Options{Name: "revived", Addr: "revived", Cluster: "revived", Store: store, Rand: rng}
	if err := o.fill(); err != nil {
		return nil, err
	}
	n := assemble(contract.Time{}, o, nil)
	if err := image.Restore(of, n, n.imageOptions(0)); err != nil {
		return nil, fmt.Errorf("revive a node: %w", err)
	}
	return n, nil
}

// ImageLayout is a hash of the types of which the state of a node consists: only a program with the same layout can
// read its images.
func ImageLayout() uint64 {
	n := new(Node)
	layout, err := image.Layout(n, n.imageOptions(0))
	if err != nil {
		invariant.That(false, "the state of a node has no image", "error", err.Error())
	}
	return layout
}

// What a node has in memory, is given and reads, with other values in the place of its own, for recordings that are
// passed on. Paths, versions, content types and configurations stay.

// ReplaceValues replaces all values in the memory of a node, between two steps.
func (n *Node) ReplaceValues(by slot.Replacer) {
	image.Walk(n, n.imageOptions(0), func(p any) (inside bool) {
		switch p := p.(type) {
		case slot.Replaceable:
			return p.ReplaceValues(by)
		case *contract.Request:
			replaceRequest(p, by)
			return false
		case *contract.Change:
			p.Value = ReplaceStored(p.Key, p.Value, by)
			return false
		}
		return true
	})
	pending := n.Overlay.ByPath
	for _, path := range slices.Sorted(maps.Keys(pending)) {
		p := pending[path]
		p.Record = ReplaceStored(schema.RecordKey(path), p.Record, by)
		pending[path] = p
	}
}

func replaceRequest(r *contract.Request, by slot.Replacer) {
	if schema.IsConfigPath(r.Path) {
		return
	}
	if len(r.Value) > 0 {
		r.Value = by.Value(r.Value)
	}
	r.Key, r.Fingerprint = slot.ReplaceKey(r.Key, by), by.Hash(r.Fingerprint)
}

// ReplaceStored replaces the values in what a store holds under a key.
func ReplaceStored(key string, value []byte, by slot.Replacer) []byte {
	if path, is := strings.CutPrefix(key, schema.PrefixRecord); is {
		return slot.ReplaceEncoded(path, value, by)
	}
	if path, is := strings.CutPrefix(key, schema.PrefixTombstone); is {
		return tombstones.ReplaceValues(path, value, by)
	}
	if strings.HasPrefix(key, schema.PrefixConflict) {
		return conflicts.ReplaceValues(key, value, by)
	}
	return value
}

// ReplaceInput is an input with other values, in other memory where it has any.
func (n *Node) ReplaceInput(in Input, by slot.Replacer) Input {
	switch in := in.(type) {
	case *Request:
		out := *in
		replaceRequest(&out, by)
		return &out
	case *Datagram:
		out := *in
		out.Data = wire.Replace(in.Data, by, n.register.PathOf)
		return &out
	case *Frame:
		out := *in
		out.Data = wire.Replace(in.Data, by, n.register.PathOf)
		return &out
	}
	return in
}
