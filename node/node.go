package node

import (
	"fmt"
	"time"

	"kvs/node/bootstrap"
	"kvs/node/changelog"
	"kvs/node/clocks"
	"kvs/node/comparison"
	"kvs/node/configuration"
	"kvs/node/conflicts"
	"kvs/node/contract"
	"kvs/node/expiry"
	"kvs/node/hearsay"
	"kvs/node/invariant"
	"kvs/node/membership"
	"kvs/node/modes"
	"kvs/node/quorum"
	"kvs/node/register"
	"kvs/node/replication"
	"kvs/node/step"
	"kvs/node/tombstones"
	"kvs/node/wire"
)

// New recovers a node from its store, or makes a new identity in an empty one, and starts it: eff receives its first
// persists and messages. It keeps none of its slices in eff. Errors are permanent: wrong options, or a store that
// cannot be trusted.
func New(now contract.Time, o Options, eff *contract.Effects) (*Node, error) {
	if err := o.fill(); err != nil {
		return nil, err
	}
	n := assemble(now, o, eff)
	book, err := n.recoverMeta()
	if err != nil {
		return nil, err
	}
	if err := n.comparison.Recover(); err != nil {
		return nil, err
	}
	if err := n.configuration.Recover(); err != nil {
		return nil, err
	}
	if err := n.RecoverPromises(); err != nil {
		return nil, err
	}
	n.Exchanges = step.FirstExchange(n.Self, n.Boots, o.Rand.Uint64())
	n.BootAfter = n.NextPersist()
	n.membership.Recover(book)
	if err := n.conflicts.Recover(); err != nil {
		return nil, err
	}
	if err := n.membership.Begin(book); err != nil {
		return nil, err
	}
	n.comparison.Begin()
	n.beginVouch()
	n.tombstones.Begin()
	n.membership.Tick()
	if err := n.bootstrap.Recover(); err != nil {
		return nil, err
	}
	n.resumeLost()
	n.configuration.Begin()
	n.changelog.Begin()
	n.Log(contract.LogInfo, "node started", "id", n.Self.String(), "name", n.name, "addr", n.Addr, "cluster", o.Cluster,
		"boots", n.Boots)
	n.configuration.Warn()
	n.finish()
	return n, nil
}

// assemble makes a node of its machines, without any state yet.
func assemble(now contract.Time, o Options, eff *contract.Effects) *Node {
	n := &Node{
		name: o.Name, opts: o,
		Shared: step.Shared{
			Addr: o.Addr, Cluster: wire.ClusterHash(o.Cluster), Tuning: o.Tuning, Rand: o.Rand, Store: o.Store,
			Started: now.Mono, Now: now, Eff: eff, LogLevel: o.LogLevel,
		},
	}
	n.Overlay.Init()
	n.KeepRecent()
	n.membership = membership.New(&n.Shared, membershipOwner{n},
		membership.Options{Name: o.Name, Seeds: o.Lost.seeds(o.Seeds), Swim: o.Swim})
	n.conflicts = conflicts.New(&n.Shared, n.membership)
	n.comparison = comparison.New(&n.Shared, comparisonOwner{n})
	n.replication = replication.New(&n.Shared, replicationOwner{n})
	n.bootstrap = bootstrap.New(&n.Shared, bootstrapOwner{n})
	n.configuration = configuration.New(&n.Shared, configurationOwner{n})
	n.clocks = clocks.New(&n.Shared, clocksOwner{n}, o.Swim.ProbeInterval)
	var readOnly []string
	if o.ReadOnly {
		readOnly = []string{contract.ReasonConfig}
	}
	n.modes = modes.New(&n.Shared, modesOwner{n}, readOnly)
	n.quorum = quorum.New(&n.Shared, quorumOwner{n, n.configuration})
	n.register = register.New(&n.Shared, registerOwner{n, n.configuration})
	n.tombstones = tombstones.New(&n.Shared, tombstonesOwner{n})
	n.expiry = expiry.New(&n.Shared, expiryOwner{n})
	n.changelog = changelog.New(&n.Shared)
	n.hearsay = hearsay.New(&n.Shared, hearsayOwner{n})
	n.Hearsay = n.hearsay
	n.handlers.bind(n.allHandlers())
	return n
}

// Step hands the node one input and appends its effects to eff. The caller resets eff.
func (n *Node) Step(now contract.Time, in contract.Input, eff *contract.Effects) {
	if now.Mono < n.Now.Mono { // tested here, so that the values do not go to the heap at every step.
		invariant.That(false, "monotonic time went backwards", "from", n.Now.Mono, "to", now.Mono)
	}
	n.Now, n.Eff = now, eff
	if n.modes.Failure() != "" {
		n.stepFailed(in)
		return
	}
	switch in := in.(type) {
	case contract.Tick:
		n.tick()
	case *contract.Datagram:
		n.datagram(in)
	case *contract.Frame:
		n.frame(in)
	case *contract.Persisted:
		n.persisted(in)
	case *contract.Request:
		n.request(in)
	case *contract.Join:
		n.bootstrap.Joining()
		n.membership.Join(in.Addrs)
	case contract.Leave:
		n.membership.Leave()
	case *contract.Remove:
		n.membership.Remove(in)
	case *contract.Watching:
		n.changelog.Watching(in.On)
	case *contract.SetReadOnly:
		n.modes.Set(in)
	default:
		invariant.That(false, "unknown input", "type", fmt.Sprintf("%T", in))
	}
	n.finish()
}

// tick runs every timer that is due.
func (n *Node) tick() {
	n.membership.Tick()
	n.replication.Tick()
	n.quorum.Tick()
	n.configuration.Tick()
	n.register.Tick()
	n.bootstrap.Tick()
	n.tickLost()
	n.tombstones.Tick()
	n.expiry.Tick()
	n.comparison.Tick()
	n.conflicts.Tick()
	n.changelog.Tick()
	n.clocks.Watch()
}

// finish turns the step's changes into effects.
func (n *Node) finish() {
	n.membership.Drain()
	n.watchVouch()
	n.register.Finish()
	n.tombstones.SendEcho()
	n.membership.Watch()
	n.membership.WriteBook()
	n.changelog.Finish()
	if len(n.Changes) > 0 {
		n.Persists++
		n.Eff.Persist = contract.Persist{ID: n.Persists, Changes: n.Changes}
		n.Changes = nil
	}
	n.Eff.Wake = n.wake()
	n.Eff = nil
}

// wake is the time of the next timer.
func (n *Node) wake() time.Duration {
	at := min(n.membership.Due(), n.comparison.Due(), n.tombstones.Due(), n.expiry.Due())
	for _, due := range [...]time.Duration{n.replication.Due(), n.conflicts.Due(), n.register.Due(), n.quorum.Due(),
		n.bootstrap.Due(), n.changelog.Due()} {
		if due != 0 {
			at = min(at, due)
		}
	}
	at = min(at, n.configuration.Due())
	if due := n.lost.due(); due != 0 {
		at = min(at, due)
	}
	if n.Unvouched {
		at = min(at, n.vouch.wait.Due())
	}
	return max(at, 1) // zero would mean "unchanged".
}

func (n *Node) persisted(in *contract.Persisted) {
	if in.UpTo < n.Durable || in.UpTo > n.Persists {
		invariant.That(false, "persisted out of order", "durable", n.Durable, "upTo", in.UpTo, "handedOut", n.Persists)
	}
	n.Durable = in.UpTo
	n.Overlay.Durable(in.UpTo)
	n.comparison.BecameDurable(in.UpTo)
	n.changelog.BecameDurable(in.UpTo)
	if in.Err != nil {
		n.modes.Fail(fmt.Sprintf("the disk failed to store data (%v): this node answers nothing more, because it "+
			"cannot know what is on disk; check the disk, then restart the node", in.Err))
		n.Log(contract.LogError, "storage failed, node stopped serving", "error", in.Err.Error())
	}
}

// stepFailed only answers clients: peers see the node fall silent and declare it dead.
func (n *Node) stepFailed(in contract.Input) {
	if r, ok := in.(*contract.Request); ok {
		n.Refuse(r, contract.CodeFailed, n.modes.Failure())
	}
	n.Eff = nil
}
