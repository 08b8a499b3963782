package live

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/chaos"
	"kvs/linearize"
	"kvs/scenarios"
	"kvs/scenarios/live/driver"
	"kvs/sim/scenario"
)

// memory is a store of three nodes in this process. Stale nodes answer reads with what they had at their first one.
type memory struct {
	mu      sync.Mutex
	kv      map[string][]byte
	old     map[string]map[string][]byte // by stale node.
	stale   []string
	partial bool          // n2 answers no reads: another node does.
	lossy   bool          // at the end the last writes are gone: see Apply.
	undo    []func()      // the writes of the end.
	broken  map[int]error // by number of the put.
	puts    int
}

func (m *memory) Nodes() int               { return 3 }
func (m *memory) Supports(chaos.Kind) bool { return true }
func (m *memory) Endpoints() []string      { return []string{"n1", "n2", "n3"} }

// Apply loses the last 20 writes at the end, if the memory is lossy.
func (m *memory) Apply(f chaos.Fault) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if f.Kind == chaos.Recover && m.lossy {
		for _, undo := range slices.Backward(m.undo[max(0, len(m.undo)-20):]) {
			undo()
		}
	}
	return nil
}

func (m *memory) Open(endpoint string) (driver.Client, error) { return &memoryClient{m, endpoint}, nil }

type memoryClient struct {
	*memory
	node string
}

func (c *memoryClient) Close() {}

func (c *memoryClient) Get(_ context.Context, key string) (driver.Value, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	from := c.kv
	if c.partial && c.node == "n2" {
		return driver.Value{}, fmt.Errorf("n2: %w", driver.ErrElsewhere)
	}
	if slices.Contains(c.stale, c.node) {
		if c.old[c.node] == nil && len(c.kv) > 0 {
			c.old[c.node] = maps.Clone(c.kv)
		}
		from = c.old[c.node]
	}
	value, found := from[key]
	return driver.Value{Found: found, Bytes: value}, nil
}

func (c *memoryClient) Put(_ context.Context, key string, value []byte, condition *driver.Condition) (string, error) {
	return "", c.set(key, value, condition)
}

func (c *memoryClient) Delete(_ context.Context, key string, condition *driver.Condition) error {
	return c.set(key, nil, condition)
}

func (c *memoryClient) set(key string, value []byte, condition *driver.Condition) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.puts++
	before, found := c.kv[key]
	if condition != nil && (condition.Found != found || string(before) != string(condition.Bytes)) {
		return driver.ErrRefused
	}
	if err := c.broken[c.puts]; err != nil && driver.Certain(err) {
		return err
	}
	c.undo = append(c.undo, func() {
		if c.kv[key] = before; !found {
			delete(c.kv, key)
		}
	})
	if c.kv[key] = value; value == nil {
		delete(c.kv, key)
	}
	return c.broken[c.puts]
}

func memoryRun(t *testing.T, m *memory, settle string) *Result {
	t.Helper()
	m.kv, m.old = map[string][]byte{}, map[string]map[string][]byte{}
	s, err := scenarios.Library.Parse(`scenario brief
about    a second on a store in memory
nodes    3
clients  6
duration 1s
settle   ` + settle + `
workload keys=5 get=50 put=30 delete=10 cas=10 cas-delete=5 list=5 hot=0% think=1ms..3ms value=1..64 ` +
		`level=linearizable attach=any timeout=1s
expect   finished
`)
	require.NoError(t, err)
	s.Seed = 1
	var promises []scenario.Promise
	promises = append(promises, storePromises...)
	res, err := Run(t.Context(), Options{World: "process", Seed: 1, Scenario: s, Target: m, Progress: func(string) {},
		Store: &Store{Driver: m, Promises: promises, ReadyWithin: time.Minute}})
	require.NoError(t, err)
	require.Greater(t, res.OK, 100)
	return res
}

func TestAGoodStoreIsFoundGood(t *testing.T) {
	m := &memory{partial: true, broken: map[int]error{
		5: errors.New("broken pipe"), 50: driver.NotDonef("full"), 60: errors.New("a time-out")}}
	res := memoryRun(t, m, "30s")
	require.Equal(t, "ok", res.Verdict(), "%v", res.Violations)
	require.True(t, res.Settled)
	require.LessOrEqual(t, res.Unknown, 2)
	require.Positive(t, res.Unknown)
	kinds := map[linearize.Kind]int{}
	for _, o := range res.History.Ops {
		kinds[o.Kind]++
	}
	require.Len(t, kinds, 5, "gets, puts, deletes and both compare-and-sets: %v", kinds)
}

func TestStoresThatBreakTheirPromises(t *testing.T) {
	for want, m := range map[string]*memory{
		"converged,linearizable":     {stale: []string{"n3"}},
		"no-lost-write,linearizable": {lossy: true},
	} {
		res := memoryRun(t, m, "500ms")
		require.Equal(t, want, res.Verdict(), "%v", res.Violations)
	}
}

func TestScenariosThatAreOfKVSAlone(t *testing.T) {
	for line, want := range map[string]string{
		"workload level=mixed":            "level=mixed",
		"workload ttl=1s..2s":             "ttl:",
		"workload watchers=1":             "watchers:",
		"voters   first=2 operator=500ms": "voters:",
	} {
		s, err := scenarios.Library.Parse("scenario x\nabout x\nnodes 3\nclients 2\nduration 1s\nsettle 1s\n" + line +
			"\nexpect finished\n")
		require.NoError(t, err, line)
		require.Contains(t, OnlyKVS(&s), want)
	}
}

// What was written last, by an operation that had ended before, convicts those that came after it.
func TestLostWrites(t *testing.T) {
	op := func(kind linearize.Kind, value string, invoke, end int64, status linearize.Status) linearize.Op {
		o := linearize.Op{Node: "n1", Kind: kind, Path: "a", Input: value, Invoke: invoke, Return: end, Status: status}
		o.Applied = kind == linearize.CAS || kind == linearize.CASDelete
		return o
	}
	put := func(value string, invoke, end int64) linearize.Op {
		return op(linearize.Put, value, invoke, end, linearize.OK)
	}
	const never = linearize.Never
	deleted := func(end int64) linearize.Op { return op(linearize.Delete, "", 1, end, linearize.OK) }
	refused := op(linearize.CAS, "y", 30, 40, linearize.OK)
	refused.Applied = false
	is, absent := func(v string) content { return content{true, v} }, content{}
	for name, test := range map[string]struct {
		final content
		ops   []linearize.Op
		lost  int
	}{
		"the last one is there":  {is("y"), []linearize.Op{put("x", 10, 20), put("y", 30, 40)}, 0},
		"an older one is there":  {is("x"), []linearize.Op{put("x", 10, 20), put("y", 30, 40)}, 1},
		"they overlap":           {is("x"), []linearize.Op{put("x", 10, 30), put("y", 30, 40)}, 0},
		"nothing is there":       {absent, []linearize.Op{put("x", 10, 20), put("y", 30, 40)}, 2},
		"it was deleted before":  {absent, []linearize.Op{deleted(5), put("x", 10, 20)}, 1},
		"it was deleted at once": {absent, []linearize.Op{deleted(15), put("x", 10, 20)}, 0},
		"a delete is unknown": {absent,
			[]linearize.Op{op(linearize.Delete, "", 1, never, linearize.Info), put("x", 10, 20)}, 0},
		"the one there is unknown": {is("x"),
			[]linearize.Op{op(linearize.Put, "x", 10, never, linearize.Info), put("y", 30, 40)}, 0},
		"the later one is unknown": {is("x"),
			[]linearize.Op{put("x", 10, 20), op(linearize.Put, "y", 30, never, linearize.Info)}, 0},
		"the later one failed": {is("x"),
			[]linearize.Op{put("x", 10, 20), op(linearize.Put, "y", 30, 40, linearize.Fail)}, 0},
		"the later one was refused": {is("x"), []linearize.Op{put("x", 10, 20), refused}, 0},
		"a compare-and-set is lost": {is("x"),
			[]linearize.Op{put("x", 10, 20), op(linearize.CAS, "y", 30, 40, linearize.OK)}, 1},
		"a delete is lost": {is("x"),
			[]linearize.Op{put("x", 10, 20), op(linearize.Delete, "", 30, 40, linearize.OK)}, 1},
		"a conditional delete is lost": {is("x"),
			[]linearize.Op{put("x", 10, 20), op(linearize.CASDelete, "", 30, 40, linearize.OK)}, 1},
		"it was never written": {is("z"), []linearize.Op{put("x", 10, 20)}, 0},
	} {
		wrong := lost(&linearize.History{Ops: test.ops}, map[string]content{"a": test.final})
		if test.lost == 0 {
			require.Empty(t, wrong, name)
			continue
		}
		require.True(t, strings.HasPrefix(wrong, fmt.Sprintf("%d acknowledged writes to 1 of 1 paths are lost; a is ",
			test.lost)), "%s: %s", name, wrong)
	}
}
