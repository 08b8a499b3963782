// Package swim is the membership of a cluster as a pure machine: who is a member, where, and in which state. It follows
// SWIM (Das, Gupta, Motivala 2002) with the suspicion of Lifeguard (Dadgar, Phillips, Currey 2018) and a full exchange
// of tables over streams, by which members join, repair what gossip missed, and find each other again after a
// partition.
//
// It is not a transport, and it reads no clock: the caller hands in the time and what arrived, and sends the output. It
// is not consensus: two members may see different tables. But rumours are ordered (see supersedes), so members that
// receive the same rumours, in any order, end with the same table.
//
// Begin with contract.go for the words and machine.go for the door. Then: table.go (which rumour wins), probe.go
// (failure detection), suspicion.go (how long a suspect has), gossip.go (how rumours spread), exchange.go (tables over
// streams, seeds, and dialling the dead), leave.go, and wire.go (the encoding).
package swim
