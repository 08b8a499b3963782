package integration_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/chaos/docker"
	"kvs/node"
	"kvs/node/api"
	"kvs/node/client"
)

const alignMax = 50 // attempts to make writes with equal timestamps.

// collide writes the same path at several nodes that do not reach each other and whose clocks stand still, so that all
// writes have one timestamp. It returns the path; the values are the nodes' names.
func (c *cluster) collide(prefix string, nodes ...int) (path string) {
	c.t.Helper()
	doors := map[int]*client.Client{}
	for _, i := range nodes {
		doors[i] = c.door(i)
	}
	write := func(i int, path string) string {
		w, err := doors[i].Put(c.t.Context(), path, node.Eventual, []byte(fmt.Sprintf("n%d", i)), "text/plain")
		require.NoError(c.t, err)
		return w.Timestamp
	}
	for try := range alignMax {
		path = fmt.Sprintf("%s/%d", prefix, try)
		stamps := map[int]string{}
		for _, i := range nodes {
			stamps[i] = write(i, path)
		}
		top := slices.Max(values(stamps))
		if top == slices.Min(values(stamps)) {
			return path
		}
		// Each write takes the next timestamp, so who is behind writes something else until it has caught up.
		for _, i := range nodes {
			for n := 0; stamps[i] < top && n < alignMax; n++ {
				stamps[i] = write(i, fmt.Sprintf("pad/n%d", i))
			}
		}
	}
	require.FailNow(c.t, "no equal timestamps")
	return ""
}

func values(m map[int]string) (out []string) {
	for _, v := range m {
		out = append(out, v)
	}
	return out
}

// awaitConflict waits until every node has settled a path's conflict by a rule, for the candidate of that member.
func (c *cluster) awaitConflict(path, rule, winner string) {
	c.t.Helper()
	for i := 1; i <= c.Nodes(); i++ {
		door := c.door(i)
		c.await(fmt.Sprintf("n%d settles %s by %s for %s", i, path, rule, winner), func() bool {
			all, err := door.Conflicts(c.t.Context(), path, 10)
			if err != nil || len(all) != 1 || !all[0].Settled || all[0].Rule != rule {
				return false
			}
			at := slices.IndexFunc(all[0].Candidates, func(x api.Candidate) bool { return x.UUID == all[0].Winner })
			return at >= 0 && all[0].Candidates[at].Origin == winner
		})
		c.awaitValue(i, path, winner)
	}
}

// Writes with one timestamp are a conflict: the one that a majority stored first wins, whoever is the oldest; without a
// majority the oldest member's wins. All nodes agree, and the losers are still there.
func TestConflicts(t *testing.T) {
	c := newClusterWith(t, docker.Options{Nodes: 3, Clocks: true})
	members, err := c.door(2).Members(t.Context())
	require.NoError(t, err)
	oldest := slices.MinFunc(members, func(a, b api.Member) int { return strings.Compare(a.Born, b.Born) }).Name

	// A clock that stands still in the future gives every node the same first timestamp.
	c.do("jump n1,n2,n3 +10s", "freeze-clock n1,n2,n3")

	// The two that are not the oldest share their write: it is stored by two of three.
	young := slices.DeleteFunc([]string{"n1", "n2", "n3"}, func(n string) bool { return n == oldest })
	number := func(name string) int { return int(name[1] - '0') }
	c.do("partition " + oldest + " | " + strings.Join(young, ","))
	path := c.collide("majority", number(oldest), number(young[0]))
	c.awaitValue(number(young[1]), path, young[0])
	require.Equal(t, oldest, c.get(number(oldest), path), "each side shows its own")
	c.do("heal")
	c.awaitConflict(path, "majority", young[0])

	all, err := c.door(1).Conflicts(t.Context(), path, 10)
	require.NoError(t, err)
	for _, candidate := range all[0].Candidates {
		v, err := c.door(1).Candidate(t.Context(), path, candidate.UUID)
		require.NoError(t, err)
		require.Equal(t, candidate.Origin, string(v.Body), "the loser's value can be had")
	}

	// Three writes, one of each: nobody has a majority.
	c.do("partition n1 | n2 | n3")
	path = c.collide("oldest", 1, 2, 3)
	c.do("heal")
	c.awaitConflict(path, "oldest", oldest)
	c.do("heal-clocks")
}

// A clock that is an hour ahead, or behind, makes no key impossible to overwrite, and nothing gets lost.
func TestClockSkew(t *testing.T) {
	c := newClusterWith(t, docker.Options{Nodes: 3, Clocks: true})
	c.put(1, "t/key", "0")
	c.awaitValue(3, "t/key", "0")
	for n, fault := range []string{"skew n3 +1h", "skew n3 -1h", "jump n3 +2h", "freeze-clock n3"} {
		c.do(fault)
		// A node that knows that its clock is wrong may refuse to write; then nothing is written.
		_, err := c.door(3).Put(t.Context(), "t/key", node.Eventual, []byte(fault), "text/plain")
		var e *client.Error
		if errors.As(err, &e) {
			require.Equal(t, api.NotApplied, e.Outcome, "%s: %v", fault, err)
		} else {
			require.NoError(t, err, fault)
			c.awaitValue(1, "t/key", fault)
		}
		value := fmt.Sprint(n + 1)
		c.put(1, "t/key", value)
		for i := range 3 {
			c.awaitValue(i+1, "t/key", value)
		}
	}
	c.do("crash n3", "restart n3")
	c.awaitAlive(3, 3)
	c.do("heal-clocks")
	door := c.door(3)
	c.await("n3 is normal", func() bool {
		s, err := door.Status(t.Context())
		return err == nil && s.Mode == "normal"
	})
	c.put(3, "t/key", "again")
	c.awaitValue(1, "t/key", "again")
}
