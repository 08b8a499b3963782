package node

import (
	"fmt"
	"slices"
	"strings"
)

// A node's mode follows from what is known about it, the gravest first: it has failed; it is still fetching its data; there are
// reasons for being read-only. The README has the table of what each mode answers.
//
// What the operator asked for outlives a restart: it stands in the store, under m/mode, for as long as the node is to be
// read-only (format u8, reason u8, CRC-32C; see meta.go). The other reasons are found out anew by whoever watches over them.

const (
	keyMode            = prefixMeta + "mode"
	storedByOperator   = 1 // the only reason that is stored.
	refusedDiskPut     = "this node's disk is nearly full: delete something, free space on it, or write through another member"
	refusedDiskExhaust = "this node's disk is all but full, there is no room for deletions either: free space on it, or write through another member"
)

func (n *Node) mode() Mode {
	switch {
	case n.failure != "":
		return ModeFailed
	case n.bootstrap.active():
		return ModeSyncing
	case len(n.readOnly) > 0:
		return ModeReadOnly
	}
	return ModeNormal
}

// modeReasons says for people why the mode is not normal.
func (n *Node) modeReasons() []string {
	switch {
	case n.failure != "":
		return []string{n.failure}
	case n.bootstrap.active():
		return append([]string{n.bootReason()}, n.readOnly...)
	}
	return slices.Clone(n.readOnly)
}

func (n *Node) setReadOnly(in *SetReadOnly) {
	i, found := slices.BinarySearch(n.readOnly, in.Reason)
	switch {
	case in.On && !found:
		n.readOnly = slices.Insert(n.readOnly, i, in.Reason)
	case !in.On && found:
		n.readOnly = slices.Delete(n.readOnly, i, i+1)
	default:
		return
	}
	if in.Reason == ReasonOperator {
		op := Op{Key: keyMode}
		if in.On {
			op.Value = sealMeta(keyMode, []byte{metaFormat, storedByOperator})
		}
		n.ops = append(n.ops, op)
		n.modeAfter = n.nextPersist()
	}
	n.log(LogWarn, "mode changed", "mode", n.mode().String(), "reasons", slices.Clone(n.readOnly))
}

// recoverMode is called before the node speaks.
func (n *Node) recoverMode() error {
	r, err := n.readMeta(keyMode)
	if err != nil {
		return fmt.Errorf("recover mode: %w", err)
	}
	if r == nil {
		return nil
	}
	if reason := r.u8(); r.end() != nil || reason != storedByOperator {
		return fmt.Errorf("recover mode: impossible content: %w", ErrCorrupt)
	}
	i, _ := slices.BinarySearch(n.readOnly, ReasonOperator)
	n.readOnly = slices.Insert(n.readOnly, i, ReasonOperator)
	return nil
}

// ModeStored reports whether what the operator asked for is on disk.
func (n *Node) ModeStored() bool { return n.modeAfter <= n.durable }

// refusesWrite answers a write that the mode does not allow. A disk that is nearly full has a reserve for deletions: they are
// what makes room in the end.
func (n *Node) refusesWrite(r *Request) bool {
	has := func(reason string) bool { return slices.Contains(n.readOnly, reason) }
	onlyDisk := len(n.readOnly) == 1
	switch {
	case len(n.readOnly) == 0 || r.Op == OpDelete && has(ReasonDisk) && onlyDisk:
		return false
	case has(ReasonDiskReserve):
		n.refuse(r, CodeDiskFull, refusedDiskExhaust)
	case r.Op != OpDelete && has(ReasonDisk):
		n.refuse(r, CodeDiskFull, refusedDiskPut)
	default:
		n.refuse(r, CodeReadOnly, "this node is read-only ("+strings.Join(n.readOnly, ", ")+"): write through another member")
	}
	return true
}
