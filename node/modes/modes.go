// Package modes is the machine that keeps a node's mode: why it has failed, whether it is still fetching its data, and
// the reasons for being read-only. Begin with Machine.
package modes

import (
	"fmt"
	"slices"
	"strings"

	"kvs/node/codec"
	"kvs/node/contract"
	"kvs/node/schema"
	"kvs/node/step"
)

// The first of these conditions that holds decides the mode: the node has failed; it is still fetching its data; there
// are reasons for being read-only. docs/reference/modes.md has the table of what each mode answers.
//
// The operator's mode survives a restart: it is in the store, under m/mode, for as long as the node is to be read-only
// (format u8, reason u8, CRC-32C; see meta.go). The other reasons are determined anew after a restart by the parts that
// watch over them.

const (
	storedByOperator = 1 // the only reason that is stored.
	refusedDiskPut   = "this node's disk is nearly full: delete something, free space on it, or write through " +
		"another member"
	refusedDiskExhaust = "this node's disk is all but full, there is no room for deletions either: free space on it, " +
		"or write through another member"
)

// Owner is what the machine asks of its node.
type Owner interface {
	Syncing() bool         // whether the node is still fetching its data.
	SyncingReason() string // says for people what it is fetching.
}

// Machine decides the mode of a node. It is not safe for concurrent use: the goroutine of its node owns it.
type Machine struct {
	*step.Shared
	owner    Owner
	readOnly []string           // sorted reasons.
	failure  string             // why the node is in ModeFailed; empty: it is not.
	after    contract.PersistID // of the operator's mode.
}

// New returns a machine whose node is read-only for these reasons, sorted. It takes ownership of the slice.
func New(shared *step.Shared, owner Owner, readOnly []string) *Machine {
	return &Machine{Shared: shared, owner: owner, readOnly: readOnly}
}

// Fail puts the node into ModeFailed for good; why is for people, and not empty.
func (m *Machine) Fail(why string) { m.failure = why }

// Failure is why the node has failed; empty: it has not.
func (m *Machine) Failure() string { return m.failure }

// Mode is the mode of the node.
func (m *Machine) Mode() contract.Mode {
	switch {
	case m.failure != "":
		return contract.ModeFailed
	case m.owner.Syncing():
		return contract.ModeSyncing
	case len(m.readOnly) > 0:
		return contract.ModeReadOnly
	}
	return contract.ModeNormal
}

// Reasons lists for people why the mode is not normal.
func (m *Machine) Reasons() []string {
	switch {
	case m.failure != "":
		return []string{m.failure}
	case m.owner.Syncing():
		return append([]string{m.owner.SyncingReason()}, m.readOnly...)
	}
	return slices.Clone(m.readOnly)
}

// Set gives the node a reason to be read-only, or takes the reason away.
func (m *Machine) Set(in *contract.SetReadOnly) {
	i, found := slices.BinarySearch(m.readOnly, in.Reason)
	switch {
	case in.On && !found:
		m.readOnly = slices.Insert(m.readOnly, i, in.Reason)
	case !in.On && found:
		m.readOnly = slices.Delete(m.readOnly, i, i+1)
	default:
		return
	}
	if in.Reason == contract.ReasonOperator {
		change := contract.Change{Key: schema.KeyMode}
		if in.On {
			change.Value = schema.Seal(schema.KeyMode, []byte{schema.Format, storedByOperator})
		}
		m.Changes = append(m.Changes, change)
		m.after = m.NextPersist()
	}
	m.Log(contract.LogWarn, "mode changed", "mode", m.Mode().String(), "reasons", slices.Clone(m.readOnly))
}

// Recover reads the operator's mode from a former run. It is called before the node sends anything.
func (m *Machine) Recover() error {
	r, err := m.ReadMeta(schema.KeyMode)
	if err != nil {
		return fmt.Errorf("recover mode: %w", err)
	}
	if r == nil {
		return nil
	}
	if reason := r.U8(); r.End() != nil || reason != storedByOperator {
		return fmt.Errorf("recover mode: impossible content: %w", codec.ErrCorrupt)
	}
	i, _ := slices.BinarySearch(m.readOnly, contract.ReasonOperator)
	m.readOnly = slices.Insert(m.readOnly, i, contract.ReasonOperator)
	return nil
}

// Stored reports whether the operator's mode is on disk.
func (m *Machine) Stored() bool { return m.after <= m.Durable }

// RefusesWrite reports whether the mode forbids a write, and the answer then. A disk that is nearly full has a reserve
// for deletions, because deletions free space.
func (m *Machine) RefusesWrite(op contract.OpKind) (code contract.Code, detail string, refused bool) {
	has := func(reason string) bool { return slices.Contains(m.readOnly, reason) }
	onlyDisk := len(m.readOnly) == 1
	switch {
	case has(contract.ReasonExhausted):
		return contract.CodeClock, m.Exhausted().Error(), true
	case len(m.readOnly) == 0 || op == contract.OpDelete && has(contract.ReasonDisk) && onlyDisk:
		return 0, "", false
	case has(contract.ReasonDiskReserve):
		return contract.CodeDiskFull, refusedDiskExhaust, true
	case op != contract.OpDelete && has(contract.ReasonDisk):
		return contract.CodeDiskFull, refusedDiskPut, true
	}
	return contract.CodeReadOnly, "this node is read-only (" + strings.Join(m.readOnly, ", ") +
		"): write through another member", true
}
