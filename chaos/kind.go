package chaos

import (
	"fmt"
	"strings"
)

// Kind is the kind of a fault.
type Kind uint8

// The kinds. Amounts of network faults come on top of what the network does anyway; zero ends them.
const (
	// Partition lets no message pass between nodes of different groups. Nodes in no group reach all nodes and are
	// reached by all. There is one partition at a time: a new one replaces it. HealPartition ends it.
	Partition Kind = iota
	HealPartition
	// Cut drops the messages that go from one of From to one of To; the other way stays open. Cuts add up. HealCut ends
	// those named, or all.
	Cut
	HealCut
	// Clog delays the messages from one of From to one of To, and loses none: they arrive when HealClog ends the clogs
	// named, or all. Clogs add up.
	Clog
	HealClog
	// Reset breaks the connections on the links named, or on all: messages in flight on them are lost. It is over at
	// once.
	Reset
	// Loss, Duplicate, Reorder and Corrupt happen to a share of the messages, Delay holds every message for a time in
	// its range; on the links named, or on all. Corrupt concerns datagrams only: streams have checksums of their own.
	Loss
	Duplicate
	Reorder
	Delay
	Corrupt
	// Forge makes an outsider, who cannot read the messages between nodes, send a forged message in the name of a node,
	// or a recorded one again, or an altered copy of it, beside a share of the messages. It is drawn only where a plan
	// or a list of kinds names it.
	Forge
	// Heal ends all network faults.
	Heal

	// Skew sets the offset of a node's wall clock, Jump steps the clock by an amount, Drift sets the rate at which it
	// runs away. A frozen clock stands still; thawed, it goes on from its frozen time, and so stays behind. HealClocks
	// ends all of this at the nodes named, or at all: clocks show again what they would show without faults. Monotonic
	// time is never touched.
	Skew
	Jump
	Drift
	FreezeClock
	ThawClock
	HealClocks

	// Crash ends a node with no warning, and unsynced data of its disk may be lost. Restart starts it again. A paused
	// node does nothing and loses nothing until it is resumed. Wipe takes the disk of a node that is down. SwapDisks
	// gives two nodes that are down each other's data folders, as happens when disks are put into the wrong machines:
	// each node comes back as the other.
	Crash
	Restart
	Pause
	Resume
	Wipe
	SwapDisks
	// LoseTail removes the last part of the data on the disk of a node that is down, which the node notices at its next
	// start: then it does not trust that disk any more. It is drawn only where a plan or a list of kinds names it.
	LoseTail
	// CopyDisk makes a copy of the disk of a node, which goes on. PutBack puts a node that is down back on the copy
	// that was made of its disk last: what it has stored since then is lost, and its peers remember it. The copy has
	// to be older than the last start of the node: a copy of the running life differs in nothing from a node that has
	// been down. They happen only where a plan names them; a list of kinds names CopyDisk for both.
	CopyDisk
	PutBack

	// DiskSlow adds to the duration of every sync, DiskError lets a share of the writes fail, DiskReadError a share of
	// the reads, DiskFull all writes for lack of space. HealDisks ends all of this at the nodes named, or at all; a
	// node whose disk failed still needs a restart.
	DiskSlow
	DiskError
	DiskReadError
	DiskFull
	HealDisks
	// Rot flips one bit in one stored record of each node named: its checksum will not match, and a peer's copy has to
	// replace it.
	Rot

	// Recover ends everything: network, clocks and disks are healed, paused nodes are resumed, and nodes that are down,
	// or that stopped serving because their disk failed, are started again. Wiped disks stay empty.
	Recover

	kindEnd // not a kind: how many there are.
)

// Class is the part of the world that a kind disturbs.
type Class uint8

// The classes.
const (
	Network Class = iota
	Clock
	Process
	Disk
	Everything
)

// need is whether a part of a fault's text is required.
type need uint8

const (
	never need = iota
	optional
	required
)

// valueForm is the form of the last word of a fault.
type valueForm uint8

const (
	valueNone   valueForm = iota
	valueRatio            // 30%: PPM
	valuePPM              // +200ppm: PPM
	valueLength           // 20ms: Amount
	valueOffset           // +1500ms: Amount
	valueRange            // 50ms..200ms: Amount and AmountMax
)

// spec is the syntax and the class of one kind.
type spec struct {
	name   string
	class  Class
	nodes  need
	links  need
	pair   bool // two nodes, no more and no less.
	groups bool
	value  valueForm
	ending bool // it only ends other faults.
	named  bool // it is drawn only where it is named.
}

var specs = [kindEnd]spec{
	Partition:     {name: "partition", class: Network, groups: true},
	HealPartition: {name: "heal-partition", class: Network, ending: true},
	Cut:           {name: "cut", class: Network, links: required},
	HealCut:       {name: "heal-cut", class: Network, links: optional, ending: true},
	Clog:          {name: "clog", class: Network, links: required},
	HealClog:      {name: "heal-clog", class: Network, links: optional, ending: true},
	Reset:         {name: "reset", class: Network, links: optional},
	Loss:          {name: "loss", class: Network, links: optional, value: valueRatio},
	Duplicate:     {name: "duplicate", class: Network, links: optional, value: valueRatio},
	Reorder:       {name: "reorder", class: Network, links: optional, value: valueRatio},
	Delay:         {name: "delay", class: Network, links: optional, value: valueRange},
	Corrupt:       {name: "corrupt", class: Network, links: optional, value: valueRatio},
	Forge:         {name: "forge", class: Network, links: optional, value: valueRatio, named: true},
	Heal:          {name: "heal", class: Network, ending: true},
	Skew:          {name: "skew", class: Clock, nodes: required, value: valueOffset},
	Jump:          {name: "jump", class: Clock, nodes: required, value: valueOffset},
	Drift:         {name: "drift", class: Clock, nodes: required, value: valuePPM},
	FreezeClock:   {name: "freeze-clock", class: Clock, nodes: required},
	ThawClock:     {name: "thaw-clock", class: Clock, nodes: required, ending: true},
	HealClocks:    {name: "heal-clocks", class: Clock, nodes: optional, ending: true},
	Crash:         {name: "crash", class: Process, nodes: required},
	Restart:       {name: "restart", class: Process, nodes: required, ending: true},
	Pause:         {name: "pause", class: Process, nodes: required},
	Resume:        {name: "resume", class: Process, nodes: required, ending: true},
	Wipe:          {name: "wipe", class: Process, nodes: required},
	LoseTail:      {name: "lose-tail", class: Process, nodes: required, named: true},
	CopyDisk:      {name: "copy-disk", class: Process, nodes: required, named: true},
	PutBack:       {name: "put-back", class: Process, nodes: required, ending: true},
	SwapDisks:     {name: "swap-disks", class: Process, nodes: required, pair: true},
	DiskSlow:      {name: "disk-slow", class: Disk, nodes: required, value: valueLength},
	DiskError:     {name: "disk-error", class: Disk, nodes: required, value: valueRatio},
	DiskReadError: {name: "disk-read-error", class: Disk, nodes: required, value: valueRatio},
	DiskFull:      {name: "disk-full", class: Disk, nodes: required},
	Rot:           {name: "rot", class: Disk, nodes: required},
	HealDisks:     {name: "heal-disks", class: Disk, nodes: optional, ending: true},
	Recover:       {name: "recover", class: Everything, ending: true},
}

// String prints the word that plans use.
func (k Kind) String() string {
	if k < kindEnd {
		return specs[k].name
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Class of k.
func (k Kind) Class() Class { return specs[k].class }

// Ends reports whether k only ends other faults.
func (k Kind) Ends() bool { return specs[k].ending }

// Kinds returns every kind, in the order of the constants.
func Kinds() []Kind {
	out := make([]Kind, kindEnd)
	for i := range out {
		out[i] = Kind(i)
	}
	return out
}

// Disturbances returns every kind that begins a fault, in the order of the constants, except those that have to be
// named: a generator chooses among these.
func Disturbances() []Kind {
	var out []Kind
	for k := Kind(0); k < kindEnd; k++ {
		if !k.Ends() && !specs[k].named {
			out = append(out, k)
		}
	}
	return out
}

// ParseKind reads what Kind.String prints.
func ParseKind(s string) (Kind, error) {
	names := make([]string, 0, kindEnd)
	for k := Kind(0); k < kindEnd; k++ {
		if specs[k].name == s {
			return k, nil
		}
		names = append(names, specs[k].name)
	}
	return 0, fmt.Errorf("unknown fault %q: use one of %s", s, strings.Join(names, ", "))
}
