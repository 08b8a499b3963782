package node

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"kvs/node/bootstrap"
	"kvs/node/changelog"
	"kvs/node/clocks"
	"kvs/node/comparison"
	"kvs/node/configuration"
	"kvs/node/conflicts"
	"kvs/node/contract"
	"kvs/node/expiry"
	"kvs/node/hearsay"
	"kvs/node/membership"
	"kvs/node/modes"
	"kvs/node/quorum"
	"kvs/node/register"
	"kvs/node/replication"
	"kvs/node/slot"
	"kvs/node/step"
	"kvs/node/swim"
	"kvs/node/tombstones"
	"kvs/node/voting"
	"kvs/node/wire"
)

// Options are a node's identity in the cluster and its parts. Every field whose comment does not say "default" is
// required.
type Options struct {
	Name    string // unique in the cluster, shown to people.
	Addr    string // "host:port" at which the other members reach this node, by datagram and by stream.
	Cluster string // name of the cluster; messages of another cluster are dropped.
	Store   contract.Reader
	Rand    *rand.Rand

	Seeds  []string        // addresses of members to join through; default: none, a cluster of one.
	Swim   swim.Config     // default: swim.DefaultConfig().
	Tuning contract.Tuning // default: DefaultTuning().
	// ExpectedMembers is the size of the cluster that is being formed: it is founded once so many members have met
	// (node/configuration). Default: this node and its seeds, and so is 1 where these name another member.
	ExpectedMembers int

	// StrongPrefixes are those of the first configuration if this node founds the cluster
	// (node/configuration/policy.go), sorted; later ones are changed by the cluster. Default: none.
	StrongPrefixes []string

	// Founder says that the node is one of the first of a new cluster, or alone for good: it serves at once, without
	// looking for members that may have data. Default: a node with a new identity that knows seeds looks for them
	// (node/bootstrap).
	Founder bool

	// Lost is set when this store replaces one that has lost data: see lost.go. Default: it does not.
	Lost *Lost

	ReadOnly bool              // start read-only, for the reason "config". Default: false.
	LogLevel contract.LogLevel // lines below it are not made. Default: LogInfo.
}

func (o *Options) fill() error {
	switch {
	case o.Name == "" || len(o.Name) > slot.SegmentBytesMax:
		return fmt.Errorf("node name %q: want 1 to %d bytes", o.Name, slot.SegmentBytesMax)
	case o.Addr == "":
		return errors.New("node address is missing: other members need a host:port to reach this node")
	case o.Cluster == "" || len(o.Cluster) > slot.SegmentBytesMax:
		return fmt.Errorf("cluster name %q: want 1 to %d bytes", o.Cluster, slot.SegmentBytesMax)
	case o.Store == nil || o.Rand == nil:
		return errors.New("node needs a store and a source of randomness")
	}
	if o.ExpectedMembers < 0 {
		return fmt.Errorf("expected members %d: want 1 or more, or 0 for the default", o.ExpectedMembers)
	}
	if o.Swim == (swim.Config{}) {
		o.Swim = swim.DefaultConfig()
	}
	if o.Tuning == (contract.Tuning{}) {
		o.Tuning = contract.DefaultTuning()
	}
	o.Swim.DatagramBytesMax = min(o.Swim.DatagramBytesMax, contract.DatagramBytesMax-wire.EnvelopeBytes-wire.PulseBytes)
	return o.Tuning.Check()
}

// Node is one replica. It is not safe for concurrent use: one goroutine owns it.
type Node struct {
	step.Shared

	name string
	opts Options

	membership    *membership.Machine
	heard         step.PeerTable[heard]
	configuration *configuration.Machine
	vouch         vouch
	replication   *replication.Machine
	comparison    *comparison.Machine
	bootstrap     *bootstrap.Machine
	lost          lost
	conflicts     *conflicts.Machine
	register      *register.Machine
	tombstones    *tombstones.Machine
	hearsay       *hearsay.Machine
	handlers      handlers
	expiry        *expiry.Machine
	quorum        *quorum.Machine
	changelog     *changelog.Machine

	clocks *clocks.Machine
	modes  *modes.Machine
}

// ID is this node's storage identity.
func (n *Node) ID() slot.ID { return n.Self }

// Config is the configuration in force; nil: the cluster is not founded yet. It is never written to.
func (n *Node) Config() *voting.Config { return n.InForce }

// ClockOff reports whether this node knows its own clock to be wrong, see node/clocks.
func (n *Node) ClockOff() bool { return n.ClockWrong }

// Clock is the highest timestamp that this node has issued or seen.
func (n *Node) Clock() slot.Timestamp { return n.HLC.Last() }

// Mode is what the node does for clients at the moment.
func (n *Node) Mode() contract.Mode { return n.modes.Mode() }

// ModeStored reports whether the operator's mode is on disk.
func (n *Node) ModeStored() bool { return n.modes.Stored() }
