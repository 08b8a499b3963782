package rest

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/slot"
	"kvs/sim/memstore"
)

// nodeCore is a real node, alone, whose disk is done at once. What it is not asked for by mode comes from the fake.
type nodeCore struct {
	*fakeCore
	mu   sync.Mutex
	node *node.Node
	mono time.Duration
	late bool // the wall clock shows a time beyond the last timestamp.
}

func newNodeCore(t *testing.T, seeds ...string) *nodeCore {
	c := &nodeCore{fakeCore: &fakeCore{store: &lockedStore{store: memstore.New()}}, mono: time.Second}
	var eff node.Effects
	n, err := node.New(c.now(), node.Options{
		Name: "n1", Addr: "n1:1", Cluster: "c", Store: c.store, Rand: rand.New(rand.NewPCG(1, 1)), Seeds: seeds,
	}, &eff)
	require.NoError(t, err)
	c.node = n
	c.settle(&eff)
	return c
}

func (c *nodeCore) now() node.Time {
	c.mono++
	if c.late {
		return node.Time{Wall: 1 << 47, Mono: c.mono}
	}
	return node.Time{Wall: 1_700_000_000_000, Mono: c.mono}
}

// settle makes durable what a step wants to be, and returns the reply.
func (c *nodeCore) settle(eff *node.Effects) (out node.Response) {
	for {
		for _, r := range eff.Replies {
			out = r.Response
		}
		p := eff.Persist
		if p.ID == 0 {
			return out
		}
		if err := c.store.Apply(p.Changes); err != nil {
			panic(err)
		}
		eff.Reset()
		c.node.Step(c.now(), &node.Persisted{UpTo: p.ID}, eff)
	}
}

func (c *nodeCore) step(in node.Input) node.Response {
	c.mu.Lock()
	defer c.mu.Unlock()
	var eff node.Effects
	c.node.Step(c.now(), in, &eff)
	return c.settle(&eff)
}

func (c *nodeCore) DoAll(ctx context.Context, rs []*node.Request, answer func(int, node.Response, error)) {
	for i, r := range rs {
		resp, err := c.Do(ctx, r)
		answer(i, resp, err)
	}
}

func (c *nodeCore) Do(_ context.Context, r *node.Request) (node.Response, error) {
	r.ID = 1
	return c.step(r), nil
}

func (c *nodeCore) SetReadOnly(on bool) error {
	c.step(&node.SetReadOnly{Reason: node.ReasonOperator, On: on})
	return nil
}

func (c *nodeCore) Mode() node.Mode { return c.Snapshot().Mode }

func (c *nodeCore) Snapshot() Snapshot {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := Snapshot{Status: c.node.Status()}
	s.Reasons = s.ModeReasons
	s.Ready = s.Mode == node.ModeNormal || s.Mode == node.ModeReadOnly
	return s
}

// coreIn returns a node in the mode that heads a column of the table, holding a value under "a".
func coreIn(t *testing.T, column string) *nodeCore {
	if column == "syncing" {
		return newNodeCore(t, "elsewhere:1")
	}
	c := newNodeCore(t)
	_, err := c.Do(t.Context(), &node.Request{Op: node.OpPut, Level: node.Eventual, Path: "a", Value: []byte("1")})
	require.NoError(t, err)
	switch column {
	case "normal":
	case "read-only":
		c.step(&node.SetReadOnly{Reason: node.ReasonClock, On: true})
	case "disk":
		c.step(&node.SetReadOnly{Reason: node.ReasonDisk, On: true})
	case "disk-reserve":
		c.step(&node.SetReadOnly{Reason: node.ReasonDisk, On: true})
		c.step(&node.SetReadOnly{Reason: node.ReasonDiskReserve, On: true})
	case "clock-exhausted":
		c.late = true
		c.step(node.Tick{})
	case "failed":
		c.step(&node.Persisted{Err: errors.New("input/output error"), UpTo: c.durable()})
	default:
		require.Fail(t, "no such column", column)
	}
	return c
}

// durable is the last persist that the node has heard of: one step without a persist leaves it alone.
func (c *nodeCore) durable() node.PersistID {
	var eff node.Effects
	c.node.Step(c.now(), &node.SetReadOnly{Reason: node.ReasonOperator, On: true}, &eff)
	return eff.Persist.ID - 1
}

// The table in docs/reference/modes.md is what each mode answers, route by route. A cell is "status", "status code", or
// "status code; seconds" with Retry-After.
func TestTheTableOfModes(t *testing.T) {
	page, err := os.ReadFile("../../../docs/reference/modes.md")
	require.NoError(t, err)
	_, table, found := strings.Cut(string(page), "<!-- modes -->\n")
	require.True(t, found)
	table, _, found = strings.Cut(table, "\n<!-- /modes -->")
	require.True(t, found)
	lines := strings.Split(table, "\n")
	cells := func(line string) []string {
		parts := strings.Split(strings.Trim(line, "|"), "|")
		for i := range parts {
			parts[i] = strings.Trim(strings.TrimSpace(parts[i]), "`")
		}
		return parts
	}
	columns := cells(lines[0])[1:]
	require.Equal(t, []string{"normal", "read-only", "clock-exhausted", "disk", "disk-reserve", "syncing", "failed"},
		columns)
	described := map[string]bool{}
	for _, line := range lines[2:] {
		row := cells(line)
		described[row[0]] = true
		for i, column := range columns {
			t.Run(row[0]+" "+column, func(t *testing.T) {
				t.Parallel()
				expectCell(t, row[0], column, row[i+1])
			})
		}
	}
	for _, want := range []string{"GET /kv/a", "PUT /kv/a", "DELETE /kv/a", "GET /kv/", "GET /mode", "PUT /mode",
		"GET /status", "GET /livez", "GET /readyz"} {
		require.True(t, described[want], want)
	}
}

func expectCell(t *testing.T, request, column, cell string) {
	core := coreIn(t, column)
	s := newSite(t, func(o *Options) {
		o.Core = core
		o.View = func() *node.View { return node.NewView(core.store, slot.NewElectorate([]node.ID{core.node.ID()})) }
	})
	method, target, _ := strings.Cut(request, " ")
	body, contentType := "", api.ContentTypeJSON
	switch {
	case target == "/mode" && method == "PUT":
		body = `{"mode":"read-only"}`
	case target == policyPath && method == "PUT":
		body = `{"strong_prefixes":["orders/"]}`
	case target == "/members/join":
		body = `{"addresses":["a:1"]}`
	case method == "PUT":
		body, contentType = "2", "text/plain"
	}
	r := s.do(method, target, body, "Content-Type", contentType)
	got := r.header.Get("Retry-After")
	if got != "" {
		got = "; " + got
	}
	if r.status >= 400 {
		var p api.Problem
		require.NoError(t, json.Unmarshal([]byte(r.body), &p))
		got = " " + string(p.Code) + got
	}
	require.Equal(t, cell, strconv.Itoa(r.status)+got, "%s", r.body)
}
