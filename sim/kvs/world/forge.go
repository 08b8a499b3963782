package world

import (
	"math/rand/v2"

	"kvs/sim"
	"kvs/sim/kvs/outsider"
)

// Forge implements sim.Forger. Members are asked for their status first, so those that are down are left alone.
func (w *World) Forge(rng *rand.Rand, from, to *sim.Replica) (sim.Transport, []byte) {
	as, target := w.Replicas[from.Number].Node, w.Replicas[to.Number].Node
	if as == nil || target == nil {
		return sim.TransportFrame, nil
	}
	data, datagram := outsider.Forge(rng, &outsider.Target{
		As: as.Status(), To: target.Status(), Cluster: ClusterName, Wall: to.Time().Wall, Now: to.Time().Mono,
	})
	if datagram {
		return sim.TransportDatagram, data
	}
	return sim.TransportFrame, data
}
