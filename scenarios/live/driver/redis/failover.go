package redis

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// The words of the command ROLE.
const (
	rolePrimary = "master"
	roleReplica = "slave"
)

// Failover replaces a primary that is gone, by the rules of Redis Sentinel: a watcher beside each node, and the primary
// counts as gone when for some time a majority of nodes has been up and able to reach each other without it. Then the
// replica with the most of the primary's log becomes the primary (REPLICAOF NO ONE), and the nodes that can be reached,
// the old primary among them once it is back, become its replicas.
//
// It is no consensus among the watchers, as Sentinel's is: this process watches, and asks the network who reaches whom.
// So there is never more than one new primary. What a failover loses is due to Redis alone: the writes that the old
// primary has acknowledged, and that no replica has got.
type Failover struct {
	Endpoints []string // of the nodes, for clients.
	Fronts    []string // of the nodes, for each other.
	// Reaches reports whether messages pass from one node to another; nodes are numbered from 1.
	Reaches func(from, to int) bool
	// Down is how long the primary has to be gone.
	Down time.Duration
	Say  func(line string)
}

const (
	watchEvery = 50 * time.Millisecond
	askMax     = 300 * time.Millisecond // a node that takes longer is not up.
)

// watched is a node as the last look found it.
type watched struct {
	client *redis.Client
	up     bool
	role   string
	of     string // its primary's address, of a replica.
	offset int64  // how much of the primary's log it has.
}

// Run watches until ctx ends. Node 1 is the first primary.
func (f *Failover) Run(ctx context.Context) {
	nodes := make([]*watched, len(f.Endpoints)+1)
	for i, e := range f.Endpoints {
		nodes[i+1] = &watched{client: dial(e)}
		defer nodes[i+1].client.Close()
	}
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	primary, seen, begun := 1, time.Now(), false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		f.look(ctx, nodes)
		side := f.majority(nodes)
		begun = begun || len(side) == len(nodes)-1 // until all have been up at once, some are still being started.
		if !begun || side == nil || slices.Contains(side, primary) {
			seen = time.Now()
		}
		if side == nil {
			continue
		}
		if time.Since(seen) > f.Down {
			next := furthest(nodes, side)
			f.Say(fmt.Sprintf("failover: n%d is gone, n%d becomes the primary", primary, next))
			primary, seen = next, time.Now()
		}
		if slices.Contains(side, primary) {
			f.align(ctx, nodes, side, primary)
		}
	}
}

// look asks all nodes for their roles, side by side.
func (f *Failover) look(ctx context.Context, nodes []*watched) {
	ctx, cancel := context.WithTimeout(ctx, askMax)
	defer cancel()
	var asking sync.WaitGroup
	for _, n := range nodes[1:] {
		asking.Go(func() {
			answer, err := n.client.Do(ctx, "ROLE").Slice()
			n.read(answer, err)
		})
	}
	asking.Wait()
}

// read reads an answer to ROLE: of a primary its role and its offset; of a replica its role, the primary's host and
// port, the state of the connection, and its offset (https://redis.io/docs/latest/commands/role/).
func (n *watched) read(answer []any, err error) {
	*n = watched{client: n.client}
	if err != nil || len(answer) < 2 {
		return
	}
	n.role, n.up = fmt.Sprint(answer[0]), true
	if n.role == roleReplica && len(answer) >= 5 {
		n.of = net.JoinHostPort(fmt.Sprint(answer[1]), fmt.Sprint(answer[2]))
		n.offset, _ = answer[4].(int64)
	} else {
		n.offset, _ = answer[1].(int64)
	}
}

// majority is the first set of nodes, more than half of all, that are up and in reach of one of them; nil: none is.
func (f *Failover) majority(nodes []*watched) []int {
	for seat := 1; seat < len(nodes); seat++ {
		var side []int
		for n := 1; n < len(nodes); n++ {
			near := n == seat || f.Reaches(seat, n) && f.Reaches(n, seat)
			if nodes[seat].up && nodes[n].up && near {
				side = append(side, n)
			}
		}
		if 2*len(side) > len(nodes)-1 {
			return side
		}
	}
	return nil
}

// furthest is the node of a side with the most of the log.
func furthest(nodes []*watched, side []int) int {
	best := side[0]
	for _, n := range side {
		if nodes[n].offset > nodes[best].offset {
			best = n
		}
	}
	return best
}

// align tells each node of a side whose replica it is. An error shows in the next look.
func (f *Failover) align(ctx context.Context, nodes []*watched, side []int, primary int) {
	ctx, cancel := context.WithTimeout(ctx, askMax)
	defer cancel()
	for _, n := range side {
		switch is := nodes[n]; {
		case n == primary && is.role != rolePrimary:
			_ = is.client.Do(ctx, "REPLICAOF", "NO", "ONE").Err()
		case n != primary && (is.role != roleReplica || is.of != f.Fronts[primary-1]):
			host, port, _ := net.SplitHostPort(f.Fronts[primary-1])
			_ = is.client.Do(ctx, "REPLICAOF", host, port).Err()
		}
	}
}
