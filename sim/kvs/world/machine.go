package world

import (
	"fmt"
	"math/rand/v2"

	"kvs/node"
	"kvs/node/host/seal"
	"kvs/node/recorder"
	"kvs/node/swim"
	"kvs/node/watch"
	"kvs/sim"
	"kvs/sim/kvs/member"
)

// ClusterName is the name of every simulated cluster.
const ClusterName = "sim"

// Fail implements sim.Failer.
func (w *World) Fail(reply *sim.Reply, detail string) { reply.Body.(*member.Answered).Fail(detail) }

// Start implements sim.Cluster.
func (w *World) Start(of *sim.Replica, now sim.Time, eff *sim.Effects) (sim.Machine, error) {
	r := &w.Replicas[of.Number]
	r.Node = nil
	opts := node.Options{
		Name: of.Name(), Addr: of.Address(), Cluster: ClusterName, Store: of.Reader(), Rand: of.Rand(),
		Seeds: w.seeds(of.Number), LogLevel: w.LogLevel(),
		ExpectedMembers: w.firstVoters(), Founder: w.Founders,
		Tuning: w.Tuning(),
	}
	if w.Own.Voters.Strong {
		opts.StrongPrefixes = []string{"/"}
	}
	if of.LostTail() {
		opts.Lost = &node.Lost{Former: r.former}
	}
	rec, err := w.recorder(of, &opts)
	if err != nil {
		return nil, err
	}
	m, err := w.startMember(of, now, opts, eff)
	if err != nil {
		return nil, err
	}
	n := m.Node
	if rec != nil {
		m.Recorder = rec
		rec.Record(n)
	}
	if r.ID != 0 && r.ID != n.ID() && r.identified { // an identity that never reached the disk was never visible.
		w.Violate(sim.Violation{Promise: sim.PromiseWorks, Node: r.Number,
			Detail: fmt.Sprintf("its identity was %s and is %s after a restart on the same disk", r.ID, n.ID())})
	}
	r.Node, r.ID, r.Hub = n, n.ID(), watch.NewHub(watchOptions(n.ID()))
	return m, nil
}

// startMember starts a member with or without sealed datagrams.
func (w *World) startMember(of *sim.Replica, now sim.Time, o node.Options, eff *sim.Effects) (*member.Member, error) {
	if !w.Own.Gossip.Sealed {
		return member.Start(now, o, eff)
	}
	rng := rand.New(rand.NewPCG(o.Rand.Uint64(), o.Rand.Uint64()))
	o.Swim = swim.DefaultConfig()
	o.Swim.NamesFixed = true
	return member.StartSealed(now, o, member.Seal{
		Key: seal.Key{1}, Cluster: o.Cluster, Strangers: w.Own.Gossip.Strangers, Rand: rng,
	}, eff)
}

// Recorded says how the members are recorded, see node/recorder. It is for tests of recordings.
type Recorded struct {
	Sink         func(number int) recorder.Sink // for one run of a member.
	SegmentBytes int
}

// recorder makes the recorder of a run, if members are recorded, and sets it between the node and its store. The run
// then has another randomness, whose state can be stored.
func (w *World) recorder(of *sim.Replica, o *node.Options) (*recorder.Recorder, error) {
	if w.Recorded == nil {
		return nil, nil
	}
	var seed [32]byte
	for i := range seed {
		seed[i] = byte(o.Rand.Uint32())
	}
	random := rand.NewChaCha8(seed)
	rec, err := recorder.New(recorder.Options{Sink: w.Recorded.Sink(of.Number), SegmentBytes: w.Recorded.SegmentBytes,
		Randomness: random, Name: o.Name, Cluster: o.Cluster})
	if err != nil {
		return nil, err
	}
	o.Rand, o.Store = rand.New(random), rec.Store(o.Store)
	return rec, nil
}

// NearlyFull implements sim.Guard.
func (w *World) NearlyFull(on bool) any { return &node.SetReadOnly{Reason: node.ReasonDisk, On: on} }
