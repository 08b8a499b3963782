// Package swim is the membership of a cluster as a pure machine: who is a member, where, and in which state. It follows
// SWIM (Das, Gupta, Motivala 2002) with the suspicion of Lifeguard (Dadgar, Phillips, Currey 2018) and a full exchange
// of tables over streams, by which members join, repair what gossip missed, and find each other again after a
// partition.
//
// It is not a transport, and it knows no clock: the caller hands in the time and what arrived, and sends what comes
// out. It does not agree on anything: two members may see different tables, but every rumour is ordered (see
// supersedes), so all that hear the same rumours, in whatever order, end with the same table.
//
// Begin with contract.go for the words and machine.go for the door. Then: table.go (which rumour wins), probe.go (who
// is silent), suspicion.go (how long a suspect has), gossip.go (how rumours travel), exchange.go (tables over streams,
// seeds, and dialling the dead), leave.go, and wire.go (the bytes).
package swim
