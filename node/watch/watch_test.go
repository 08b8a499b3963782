package watch

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node/contract"
	"kvs/node/slot"
	"kvs/node/view"
)

// member is a node as its watchers see it: values, and a hub that is told of each change.
type member struct {
	t      *testing.T
	hub    *Hub
	values map[string]slot.Record
	log    uint64
	last   uint64
	oldest uint64
	hidden string
	broken error
	clock  slot.Timestamp
}

func newMember(t *testing.T, o Options) *member {
	m := &member{t: t, hub: NewHub(o), values: map[string]slot.Record{}, log: 7, oldest: 1, clock: 1 << 20}
	m.hub.Take(&contract.Changed{Log: m.log, First: 1, Oldest: 1})
	return m
}

func small(self slot.ID) Options { return Options{Self: self, QueueMax: 4, QueuedMax: 8, ScanMax: 5} }

func (m *member) change(path string, live bool) {
	m.clock++
	m.values[path] = slot.Record{TS: m.clock, Tombstone: !live, Value: []byte("v")}
	m.last++
	m.hub.Take(&contract.Changed{Log: m.log, First: m.last, Paths: []string{path}, Oldest: m.oldest})
}

func (m *member) forgetUpTo(position uint64) {
	m.oldest = position + 1
	m.hub.Take(&contract.Changed{Log: m.log, First: m.last + 1, Oldest: m.oldest})
}

func (m *member) Get(path string) (slot.Record, error) { return m.values[path], m.broken }

func (m *member) Shows(path string) bool { return m.hidden == "" || !strings.HasPrefix(path, m.hidden) }

func (m *member) List(req view.ListRequest) (out view.Listing, err error) {
	var paths []string
	for p, r := range m.values {
		if r.Live() && strings.HasPrefix(p, req.Directory) && p > req.After && m.Shows(p) {
			paths = append(paths, p)
		}
	}
	slices.Sort(paths)
	for _, p := range paths {
		if len(out.Entries) == req.Limit {
			out.More, out.Next = true, out.Entries[len(out.Entries)-1].Path
			break
		}
		r := m.values[p]
		out.Entries = append(out.Entries, view.Entry{Path: p, Version: r.Version(), Bytes: len(r.Value)})
	}
	return out, m.broken
}

// client watches, and keeps a copy as the documents tell clients to.
type client struct {
	*member
	w      *Watcher
	copy   map[string]slot.Timestamp
	fresh  map[string]slot.Timestamp // within a snapshot.
	token  *Token
	events []string
	values bool
	budget int // events until the connection breaks; below zero: it does not.
}

var errBroken = errors.New("the connection broke")

func newClient(m *member, target string) *client {
	c := &client{member: m, copy: map[string]slot.Timestamp{}, budget: -1}
	c.w = m.hub.Watch(target, nil, nil)
	return c
}

func (c *client) take(ev *Event) error {
	if c.budget == 0 {
		return errBroken
	}
	c.budget--
	text := ev.Kind.String()
	if ev.Path != "" {
		text += " " + ev.Path
	}
	c.events = append(c.events, text)
	into := c.copy
	if c.fresh != nil {
		into = c.fresh
	}
	switch ev.Kind {
	case SnapshotBegin:
		c.fresh = map[string]slot.Timestamp{}
	case SnapshotEnd:
		c.copy, c.fresh = c.fresh, nil
	case Put:
		require.GreaterOrEqual(c.t, ev.Record.TS, into[ev.Path], "versions never go back")
		require.Equal(c.t, c.values, ev.Record.Value != nil)
		require.Equal(c.t, 1, ev.Bytes)
		into[ev.Path] = ev.Record.TS
	case Delete:
		delete(into, ev.Path)
	}
	t := ev.Token
	parsed, err := ParseToken(t.String())
	require.NoError(c.t, err)
	c.token = &parsed
	return nil
}

// look takes all that there is. False: the watcher was cut off.
func (c *client) look() (bool, error) {
	for range 10000 {
		if c.w.Within() {
			if err := c.w.Page(c.member, 3, c.values, c.take); err != nil {
				return true, err
			}
			continue
		}
		work := c.w.Work(2)
		if work.Cut {
			return false, nil
		}
		if err := c.w.Show(c.member, &work, c.values, c.take); err != nil {
			return true, err
		}
		if !work.More {
			return true, nil
		}
	}
	c.t.Fatal("the watcher does not come to an end")
	return false, nil
}

func (c *client) want(events ...string) {
	c.t.Helper()
	in, err := c.look()
	require.NoError(c.t, err)
	require.True(c.t, in)
	require.Equal(c.t, events, c.events)
	c.events = nil
}

// again comes back with the last token, to this or another member.
func (c *client) again(to *member, target string) {
	c.member.hub.Leave(c.w)
	c.member = to
	c.w = to.hub.Watch(target, c.token, nil)
}

func TestWatch(t *testing.T) {
	m := newMember(t, small(1))
	m.change("a/1", true)
	m.change("b", true)
	c, all, one := newClient(m, "a/"), newClient(m, ""), newClient(m, "a/2")
	m.change("a/2", true)
	c.want("snapshot-begin", "put a/1", "put a/2", "snapshot-end", "put a/2")
	all.want("snapshot-begin", "put a/1", "put a/2", "put b", "snapshot-end", "put a/2")
	one.want("snapshot-begin", "put a/2", "snapshot-end", "put a/2")
	m.change("a/1", false)
	m.change("b", false)
	m.change("ab/1", true)
	m.change("a", true)
	m.change("a/2/x", true)
	c.want("delete a/1", "put a/2/x")
	all.want("delete a/1", "delete b", "put ab/1", "put a", "put a/2/x")
	require.Empty(t, one.events)
	one.look()
	require.Empty(t, one.events)

	// With its token it goes on, with that of another directory, member or log it begins anew.
	m.change("a/3", true)
	c.again(m, "a/")
	c.want("put a/3")
	token := *c.token
	for name, bad := range map[string]func(*Token){
		"another directory": func(t *Token) { t.Target++ }, "another member": func(t *Token) { t.Member++ },
		"another log": func(t *Token) { t.Log++ }, "the future": func(t *Token) { t.Position += 100 },
	} {
		other := token
		bad(&other)
		require.True(t, m.hub.Watch("a/", &other, nil).Within(), name)
	}
	require.False(t, m.hub.Watch("a/", &token, nil).Within())
	m.forgetUpTo(token.Position)
	require.False(t, m.hub.Watch("a/", &token, nil).Within())
	m.change("c", true)
	m.forgetUpTo(token.Position + 1)
	require.True(t, m.hub.Watch("a/", &token, nil).Within(), "the log does not reach back")
}

// What a sender may not see is not shown, also when a change of it is the last one.
func TestHidden(t *testing.T) {
	m := newMember(t, small(1))
	m.hidden = "s/"
	m.change("s/1", true)
	c, one := newClient(m, ""), newClient(m, "s/1")
	m.change("a", true)
	m.change("s/2", true)
	c.want("snapshot-begin", "put a", "snapshot-end", "put a")
	one.want("snapshot-begin", "snapshot-end")
	require.Equal(t, m.last, c.w.Token().Position)
}

// A slow watcher goes on from the log, without a queue; one that is too slow is cut off.
func TestSlow(t *testing.T) {
	m := newMember(t, small(1))
	c := newClient(m, "")
	c.want("snapshot-begin", "snapshot-end")
	for i := range 20 {
		m.change(fmt.Sprint("p", i), true)
	}
	require.Zero(t, m.hub.Queued())
	in, err := c.look()
	require.NoError(t, err)
	require.True(t, in)
	require.Len(t, c.events, 20)
	c.events = nil
	m.change("q", true)
	require.Equal(t, 1, m.hub.Queued(), "it is up to date again")
	c.want("put q")
	require.Zero(t, m.hub.Queued())

	for i := range 20 {
		m.change(fmt.Sprint("p", i), true)
	}
	m.forgetUpTo(m.last - 3)
	in, err = c.look()
	require.NoError(t, err)
	require.False(t, in)
	c.again(m, "")
	require.True(t, c.w.Within())
	m.hub.Leave(c.w)
	require.Zero(t, m.hub.Count())
	require.Empty(t, m.hub.byTarget)
}

// Many slow watchers together have no more than the bound.
func TestQueuedMax(t *testing.T) {
	m := newMember(t, small(1))
	var all []*client
	for range 5 {
		c := newClient(m, "")
		c.want("snapshot-begin", "snapshot-end")
		all = append(all, c)
	}
	for i := range 3 {
		m.change(fmt.Sprint("p", i), true)
		require.LessOrEqual(t, m.hub.Queued(), 8)
	}
	for _, c := range all {
		c.want("put p0", "put p1", "put p2")
	}
	require.Zero(t, m.hub.Queued())
}

// A source that fails ends the watch, and nothing is left out when it comes again.
func TestBrokenSource(t *testing.T) {
	m := newMember(t, small(1))
	c := newClient(m, "")
	c.want("snapshot-begin", "snapshot-end")
	m.change("a", true)
	m.broken = errors.New("rot")
	_, err := c.look()
	require.ErrorIs(t, err, m.broken)
	require.Less(t, c.w.Token().Position, m.last)
	m.broken = nil
	c.again(m, "")
	c.want("put a")
}

// A log that ends cuts its watchers off.
func TestLogEnds(t *testing.T) {
	m := newMember(t, small(1))
	woken := 0
	w := m.hub.Watch("", nil, func() { woken++ })
	m.hub.Take(&contract.Changed{})
	require.False(t, m.hub.Open())
	require.Equal(t, 1, woken)
	require.True(t, w.Work(1).Cut)
}

// Whatever happens, the copy that a client keeps equals what its member holds, once it has taken all there is: with
// tokens from anywhere in a stream, with members that change, logs that are cut, and watchers that are slow.
func TestCopyEqualsMember(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 1))
		members := []*member{newMember(t, small(1)), newMember(t, small(2))}
		target := []string{"", "a/", "a/b/", "a/x"}[rng.IntN(4)]
		c := newClient(members[0], target)
		c.values = seed%2 == 0
		for range 200 {
			switch rng.IntN(12) {
			case 0:
				c.again(members[rng.IntN(2)], target)
			case 1:
				c.budget = rng.IntN(4)
				in, err := c.look()
				c.budget = -1
				if err != nil || !in {
					c.again(c.member, target)
				}
			case 2:
				m := members[rng.IntN(2)]
				m.forgetUpTo(max(m.oldest-1, m.last-min(m.last, rng.Uint64N(6))))
			default:
				path := []string{"a", "a/x", "a/y", "a/b/x", "a/b/y", "b"}[rng.IntN(6)]
				live := rng.IntN(3) > 0
				for _, m := range members { // they differ for a while.
					if rng.IntN(3) > 0 {
						m.change(path, live)
					}
				}
			}
		}
		for in, err := c.look(); !in; in, err = c.look() {
			require.NoError(t, err)
			c.again(c.member, target)
		}
		want := map[string]slot.Timestamp{}
		for p, r := range c.member.values {
			if r.Live() && c.w.concerns(p) {
				want[p] = r.TS
			}
		}
		require.Equal(t, want, c.copy, "seed %d", seed)
		require.Nil(t, c.fresh)
	}
}
