package node

import (
	"kvs/node/bootstrap"
	"kvs/node/codec"
	"kvs/node/conflicts"
	"kvs/node/contract"
	"kvs/node/membership"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/node/view"
	"kvs/node/voting"
	"kvs/node/wire"
)

// This file re-exports the names of the packages below that the rest of kvs uses.

// ErrCorrupt is wrapped by every error that means: what was read is not what was written.
var ErrCorrupt = codec.ErrCorrupt

// ErrBadMessage is wrapped by every error of a message that cannot be decoded.
var ErrBadMessage = codec.ErrBadMessage

// The data stored under a path, and the electorate of its conflicts: see node/slot.
type (
	Applied    = slot.Applied
	Ballot     = slot.Ballot
	Candidate  = slot.Candidate
	Consensus  = slot.Consensus
	Decision   = slot.Decision
	Electorate = slot.Electorate
	ID         = slot.ID
	Record     = slot.Record
	Rule       = slot.Rule
	Slot       = slot.Slot
	Timestamp  = slot.Timestamp
	UUID       = slot.UUID
	Version    = slot.Version
	Vote       = slot.Vote
)

// See node/schema.
const (
	BootstrapKey = schema.BootstrapKey
)

// See node/contract.
type (
	Change         = contract.Change
	Changed        = contract.Changed
	Code           = contract.Code
	Condition      = contract.Condition
	ConditionKind  = contract.ConditionKind
	ConflictRecord = contract.ConflictRecord
	Counters       = contract.Counters
	Datagram       = contract.Datagram
	Effects        = contract.Effects
	Frame          = contract.Frame
	Gate           = contract.Gate
	Input          = contract.Input
	Join           = contract.Join
	Leave          = contract.Leave
	Level          = contract.Level
	Log            = contract.Log
	LogLevel       = contract.LogLevel
	Mode           = contract.Mode
	OpenOperation  = contract.OpenOperation
	OpKind         = contract.OpKind
	Outcome        = contract.Outcome
	Persist        = contract.Persist
	PersistID      = contract.PersistID
	Persisted      = contract.Persisted
	Reader         = contract.Reader
	Reply          = contract.Reply
	Remove         = contract.Remove
	Request        = contract.Request
	Response       = contract.Response
	Send           = contract.Send
	SetReadOnly    = contract.SetReadOnly
	Store          = contract.Store
	Tick           = contract.Tick
	Time           = contract.Time
	Transport      = contract.Transport
	Tuning         = contract.Tuning
	Watching       = contract.Watching
)

// See node/contract.
const (
	CodeClock         = contract.CodeClock
	CodeConflict      = contract.CodeConflict
	CodeCorrupt       = contract.CodeCorrupt
	CodeCreated       = contract.CodeCreated
	CodeDiskFull      = contract.CodeDiskFull
	CodeFailed        = contract.CodeFailed
	CodeKeyReused     = contract.CodeKeyReused
	CodeNoQuorum      = contract.CodeNoQuorum
	CodeNotFound      = contract.CodeNotFound
	CodeOK            = contract.CodeOK
	CodeOverloaded    = contract.CodeOverloaded
	CodePrecondition  = contract.CodePrecondition
	CodeReadOnly      = contract.CodeReadOnly
	CodeStorage       = contract.CodeStorage
	CodeSyncing       = contract.CodeSyncing
	DatagramBytesMax  = contract.DatagramBytesMax
	DefaultLevel      = contract.DefaultLevel
	Eventual          = contract.Eventual
	IfMatch           = contract.IfMatch
	IfNoneMatch       = contract.IfNoneMatch
	Linearizable      = contract.Linearizable
	LogDebug          = contract.LogDebug
	LogError          = contract.LogError
	LogInfo           = contract.LogInfo
	LogWarn           = contract.LogWarn
	ModeFailed        = contract.ModeFailed
	ModeNormal        = contract.ModeNormal
	ModeReadOnly      = contract.ModeReadOnly
	ModeSyncing       = contract.ModeSyncing
	OpDelete          = contract.OpDelete
	OpDemote          = contract.OpDemote
	OpGet             = contract.OpGet
	OpPolicy          = contract.OpPolicy
	OpPromote         = contract.OpPromote
	OpPut             = contract.OpPut
	OutcomeApplied    = contract.OutcomeApplied
	OutcomeNotApplied = contract.OutcomeNotApplied
	OutcomeUnknown    = contract.OutcomeUnknown
	Quorum            = contract.Quorum
	ReasonClock       = contract.ReasonClock
	ReasonExhausted   = contract.ReasonExhausted
	ReasonDisk        = contract.ReasonDisk
	ReasonDiskReserve = contract.ReasonDiskReserve
	ReasonOperator    = contract.ReasonOperator
	TransportDatagram = contract.TransportDatagram
	TransportFrame    = contract.TransportFrame
	Unconditional     = contract.Unconditional
)

// ErrUnknownLevel is wrapped by ParseLevel's error.
var ErrUnknownLevel = contract.ErrUnknownLevel

// ParseLevel reads eventual, quorum or linearizable; anything else is an error.
func ParseLevel(s string) (Level, error) { return contract.ParseLevel(s) }

// DefaultTuning returns what production runs with.
func DefaultTuning() Tuning { return contract.DefaultTuning() }

// Codes returns all codes, so that a test of a translation can check each.
func Codes() []Code { return contract.Codes() }

// See node/wire.
const (
	FrameBytesMax = wire.FrameBytesMax
)

// See node/membership.
const (
	ReasonLeaving = membership.ReasonLeaving
)

// ErrVotersAway means that too few voters can be reached to go on without another one.
var ErrVotersAway = membership.ErrVotersAway

// CanRemove returns the error with which Remove would be refused, see membership.Machine.CanRemove.
func (n *Node) CanRemove(id slot.ID, force bool) error { return n.membership.CanRemove(id, force) }

// ConflictsKeptMax is how many conflicts a node remembers, see node/conflicts.
const ConflictsKeptMax = conflicts.KeptMax

// Conflicts returns the last conflicts whose paths begin with prefix, newest first, at most limit, see
// conflicts.Machine.List.
func (n *Node) Conflicts(prefix string, limit int) []contract.ConflictRecord {
	return n.conflicts.List(prefix, limit)
}

// BootstrapStatus is the progress of a newcomer, see node/bootstrap.
type BootstrapStatus = bootstrap.Status

// BootstrapProgress reads from the record under BootstrapKey how many keys have been pulled.
func BootstrapProgress(value []byte) (keys uint64, err error) { return bootstrap.Progress(value) }

// Config is a configuration of the cluster, see node/voting.
type Config = voting.Config

// See node/voting.
const (
	StrongPrefixesMax = voting.StrongPrefixesMax
	VotersMax         = voting.VotersMax
)

// CheckStrongPrefixes returns the prefixes sorted, each once. A prefix is a directory: a path and a slash, or "/" for
// everything.
func CheckStrongPrefixes(prefixes []string) ([]string, error) {
	return voting.CheckStrongPrefixes(prefixes)
}

// StoredConfig returns the configuration in a store; nil: it holds none. Errors: it cannot be read, or is not what was
// written.
func StoredConfig(store Reader) (*Config, error) { return voting.Stored(store) }

// Reads of durable data beside the loop: see node/view.
type (
	View        = view.View
	ListRequest = view.ListRequest
	Entry       = view.Entry
	Listing     = view.Listing
)

// See node/view.
const (
	ListLimitDefault = view.ListLimitDefault
	ListLimitMax     = view.ListLimitMax
)

// NewView returns a View over store that decides conflicts by electorate, the last one in the node's Effects.
func NewView(store Reader, electorate *Electorate) *View { return view.New(store, electorate) }
