package node

import (
	"fmt"
	"math/rand/v2"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/swim"
)

// bench is the smallest world a few nodes can live in: a millisecond per message, two per fsync, no faults but those a test
// asks for. The simulator is the real one; this one is for conversations short enough to read.
type bench struct {
	t         testing.TB
	now       time.Duration
	seq       int
	events    []benchEvent
	machine   []*machine
	cut       func(from, to string) bool
	say       *strings.Builder // transcript; nil: none.
	spy       func(from string, s Send)
	lose      func(from string, s Send) bool
	watch     func(at string, p *Persist) // of everything that goes to a disk; nil: nobody looks.
	nextReq   uint64
	tune      func(*Tuning)
	newcomers bool // machines started from now on are no founders.
}

type benchEvent struct {
	at   time.Duration
	seq  int
	to   int
	boot int // the run of the node it is meant for: a restart drops what was in flight.
	in   Input
	sync *Persist
}

type machine struct {
	name   string
	node   *Node
	store  *mapStore
	gate   Gate
	wall   int64 // offset of its wall clock, milliseconds.
	boot   int
	up     bool
	wakeAt time.Duration

	electorate *Electorate
	pending    int // persists not durable yet.
	replies    map[uint64]Response
	diskErr    error
	logs       []Log
}

func newBench(t *testing.T, nodes int) *bench { return newBenchWith(t, nodes, nil) }

func newBenchWith(t *testing.T, nodes int, tune func(*Tuning)) *bench {
	b := &bench{t: t, tune: tune}
	for i := range nodes {
		b.machine = append(b.machine, &machine{name: fmt.Sprintf("n%d", i+1), store: newMapStore(), replies: map[uint64]Response{}})
	}
	for i := range nodes {
		b.start(i)
	}
	return b
}

func (b *bench) time(m *machine) Time {
	return Time{Wall: 1_700_000_000_000 + b.now.Milliseconds() + m.wall, Mono: b.now}
}

func (b *bench) start(i int) { b.startWith(i, nil) }

// startWith starts a machine with other options than those of all.
func (b *bench) startWith(i int, change func(o *Options)) {
	m := b.machine[i]
	m.boot++
	m.up, m.gate, m.pending, m.wakeAt = true, Gate{}, 0, 0
	var eff Effects
	tuning := DefaultTuning()
	if b.tune != nil {
		b.tune(&tuning)
	}
	o := Options{
		Name: m.name, Addr: m.name, Cluster: "test", Store: m.store, Seeds: []string{"n1", "n2"}, Tuning: tuning,
		Rand: rand.New(rand.NewPCG(uint64(i), uint64(m.boot))), LogLevel: LogDebug, Founder: !b.newcomers,
	}
	if change != nil {
		change(&o)
	}
	n, err := New(b.time(m), o, &eff)
	require.NoError(b.t, err)
	m.node = n
	b.effects(i, &eff)
}

// crash stops a machine; what was not durable is lost.
func (b *bench) crash(i int) { b.machine[i].up = false }

func (b *bench) push(e benchEvent) {
	b.seq++
	e.seq = b.seq
	e.boot = b.machine[e.to].boot
	b.events = append(b.events, e)
}

func (b *bench) effects(i int, eff *Effects) {
	m := b.machine[i]
	m.logs = append(m.logs, eff.Logs...)
	if eff.Electorate != nil {
		m.electorate = eff.Electorate
	}
	if eff.Persist.ID != 0 {
		p := eff.Persist
		m.pending++
		if b.watch != nil {
			b.watch(m.name, &p)
		}
		b.push(benchEvent{at: b.now + 2*time.Millisecond, to: i, sync: &p})
	}
	m.gate.Pass(eff)
	b.release(i, eff)
	if eff.Wake != 0 {
		m.wakeAt = eff.Wake
	}
}

func (b *bench) release(i int, eff *Effects) {
	m := b.machine[i]
	for _, s := range eff.Sends {
		b.transcribe(m.name, s)
		if b.spy != nil {
			b.spy(m.name, s)
		}
		for j, to := range b.machine {
			if to.name != strings.ToLower(s.To) || // in capitals it is an alias.
				(b.cut != nil && b.cut(m.name, s.To)) || (b.lose != nil && b.lose(m.name, s)) {
				continue
			}
			var in Input = &Frame{Data: append([]byte{}, s.Data...)}
			if s.Transport == TransportDatagram {
				require.LessOrEqual(b.t, len(s.Data), DatagramBytesMax)
				in = &Datagram{From: m.name, Data: append([]byte{}, s.Data...)}
			}
			b.push(benchEvent{at: b.now + time.Millisecond, to: j, in: in})
		}
	}
	for _, r := range eff.Replies {
		m.replies[r.ID] = r.Response
		b.note("%s answers: %s %s", m.name, r.Code, r.Record.TS)
	}
}

// exchange is the number of an exchange among those of a machine's run; zero names none.
func (b *bench) exchange(name string, id uint64) uint64 {
	for _, m := range b.machine {
		if m.name == name && m.node != nil && id != 0 {
			return id - m.node.exchanges
		}
	}
	return 0
}

func (b *bench) transcribe(from string, s Send) {
	if b.say == nil {
		return
	}
	kind, _, body, err := openEnvelope(s.Data, clusterHash("test"))
	require.NoError(b.t, err)
	what := ""
	switch kind {
	case msgReplicate:
		m, _ := decodeReplicate(body)
		what = fmt.Sprintf("replicate seq=%d", b.exchange(from, m.seq))
		for _, e := range m.entries {
			slot, _ := DecodeSlot(e.path, e.record)
			what += " " + e.path + "=" + b.describe(&slot)
		}
	case msgReplicateAck:
		seq, _ := decodeReplicateAck(body)
		what = fmt.Sprintf("replicate-ack seq=%d", b.exchange(s.To, seq))
	case msgTreeAsk:
		m, _ := decodeTreeAsk(body)
		what = fmt.Sprintf("tree-ask level=%d nodes=%d", m.level, len(m.nodes))
	case msgTreeAnswer:
		m, _ := decodeTreeAnswer(body)
		what = fmt.Sprintf("tree-answer level=%d sums below %d nodes", m.level, len(m.nodes))
		if len(m.nodes) == 0 {
			what = "tree-answer all is equal"
		}
	case msgLeafAsk:
		_, leaves, _ := decodeLeafAsk(body)
		what = fmt.Sprintf("leaf-ask leaves=%d", len(leaves))
	case msgLeafAnswer:
		m, _ := decodeLeafAnswer(body)
		what = fmt.Sprintf("leaf-answer leaves=%d", m.leaves)
		for _, k := range m.keys {
			what += fmt.Sprintf(" %s@%s", k.path, k.TS)
		}
	case msgSyncPull:
		p, _ := decodeSyncPull(body)
		what = fmt.Sprintf("sync-pull %v", p)
	case msgStore, msgFetched:
		m, _ := decodeFetched(body)
		what = map[msgKind]string{msgStore: "store ", msgFetched: "fetched "}[kind] + m.path
		if m.record != nil {
			slot, _ := DecodeSlot(m.path, m.record)
			what += "=" + b.describe(&slot)
		}
	case msgStored:
		what = "stored"
	case msgFetch:
		m, _ := decodeFetch(body)
		what = "fetch " + m.path
	case msgPrepare, msgLook:
		q, _ := decodePrepare(body)
		what = map[msgKind]string{msgPrepare: "prepare ", msgLook: "look at "}[kind] + b.path(q.path)
		if kind == msgPrepare {
			what += " ballot " + b.ballot(q.ballot)
		}
	case msgAccept:
		q, c, _ := decodeAccept(body)
		rec := c.Record
		what = fmt.Sprintf("accept %s ballot %s: %q of version %s", b.path(q.path), b.ballot(q.ballot), rec.Value, rec.TS)
		if isConfigPath(q.path) {
			r := wireReader{b: rec.Value}
			what = fmt.Sprintf("accept %s ballot %s: %s", b.path(q.path), b.ballot(q.ballot), b.voters(r.config()))
		}
	case msgPromised:
		a, _ := decodePromised(body)
		what = "shows nothing"
		if a.record != nil {
			what = "shows " + b.describeBoth(a.record)
		}
		if !a.ok {
			what = "refuses, has promised " + b.ballot(a.promised)
		}
	case msgPassedAsk, msgPassedIs:
		epoch, _ := decodeEpoch(body)
		what = fmt.Sprintf("has caught up with epoch %d", epoch)
		if kind == msgPassedAsk {
			what = fmt.Sprintf("caught up with epoch %d?", epoch)
		}
	case msgAdoptedAsk, msgAdoptedIs:
		epoch, _ := decodeEpoch(body)
		what = fmt.Sprintf("goes by epoch %d", epoch)
		if kind == msgAdoptedAsk {
			what = fmt.Sprintf("do you go by epoch %d?", epoch)
		}
	case msgWordAsk, msgWord, msgWordBack:
		what = map[msgKind]string{msgWordAsk: "your word that I found the cluster?", msgWord: "you have it", msgWordBack: "have it back"}[kind]
	case msgCatchRange:
		m, _ := decodeCatchRange(body)
		what = fmt.Sprintf("what of %q to %q had you in the epoch before %d? here: %d keys", m.from, m.to, m.epoch, m.sum.keys)
	case msgCatchKeys:
		m, _ := decodeCatchKeys(body)
		what = fmt.Sprintf("sealed; equal=%v, %d keys", m.equal, len(m.keys))
	case msgCatchPull:
		_, paths, _ := decodeCatchPull(body)
		what = fmt.Sprintf("send %q", paths)
	case msgCatchSlots:
		m, _ := decodeCatchSlots(body)
		what = fmt.Sprintf("%d slots", len(m.entries))
	case msgAccepted:
		a, _ := decodeAccepted(body)
		what = "accepted"
		if !a.ok {
			what = "refuses, has promised " + b.ballot(a.promised)
		}
	case msgHello, msgPlanAsk, msgPlan, msgPageAsk, msgPage:
		what = b.describeBootstrap(kind, body)
	case msgGoneAsk:
		m, _ := decodeGoneAsk(body)
		what = "gone-ask: who holds" + describePaths(m.paths)
	case msgGoneAnswer:
		m, _ := decodeGoneAnswer(body)
		what = fmt.Sprintf("gone-answer held=%v; refuse whatever I sealed before", m.held)
	case msgGoneWord:
		m, _ := decodeGoneWord(body)
		what = "gone-word: all had" + describePaths(m.paths)
	default:
		return // membership has transcripts of its own.
	}
	b.note("%s -> %s: %s", from, s.To, what)
}

func describePaths(paths []heldVersion) (out string) {
	for _, k := range paths {
		out += fmt.Sprintf(" %s@%s", k.path, k.TS)
	}
	return out
}

// describe prints a slot: its candidates, and behind a conflict who votes for which.
func (b *bench) describe(s *Slot) string {
	var values, votes []string
	names := map[UUID]string{}
	for i := range s.Candidates {
		names[s.Candidates[i].UUID] = fmt.Sprintf("%q", s.Candidates[i].Value)
		values = append(values, names[s.Candidates[i].UUID])
	}
	sort.Strings(values) // UUIDs are drawn, and tell a reader nothing.
	for _, m := range b.machine {
		if i, ok := s.vote(m.node.ID()); ok {
			votes = append(votes, m.name+" for "+names[s.Votes[i].UUID])
		}
	}
	out := strings.Join(values, "|") + "@" + s.TS.String()
	if len(votes) > 0 {
		out += " (" + strings.Join(votes, ", ") + ")"
	}
	return out
}

func (b *bench) note(format string, args ...any) {
	if b.say != nil {
		fmt.Fprintf(b.say, "%6dms "+format+"\n", append([]any{b.now.Milliseconds()}, args...)...)
	}
}

func (b *bench) step(i int, in Input) {
	m := b.machine[i]
	var eff Effects
	m.node.Step(b.time(m), in, &eff)
	b.effects(i, &eff)
}

// run lets virtual time pass until the condition holds; it fails the test after limit.
func (b *bench) run(limit time.Duration, until func() bool) {
	b.t.Helper()
	end := b.now + limit
	for {
		if until != nil && until() {
			return
		}
		next, event := end+1, -1
		for k, e := range b.events {
			if e.at < next || (e.at == next && event >= 0 && e.seq < b.events[event].seq) {
				next, event = e.at, k
			}
		}
		wake := -1
		for i, m := range b.machine {
			if m.up && m.wakeAt != 0 && m.wakeAt < next {
				next, wake, event = max(m.wakeAt, b.now), i, -1
			}
		}
		if next > end {
			b.now = end
			require.Nil(b.t, until, "not reached within %v of virtual time", limit)
			return
		}
		b.now = next
		if wake >= 0 {
			b.machine[wake].wakeAt = 0
			b.step(wake, Tick{})
			continue
		}
		e := b.events[event]
		b.events = append(b.events[:event], b.events[event+1:]...)
		b.deliver(e)
	}
}

func (b *bench) deliver(e benchEvent) {
	m := b.machine[e.to]
	switch {
	case !m.up || (e.sync != nil && e.boot != m.boot):
	case e.sync != nil:
		m.pending--
		if m.diskErr != nil {
			var eff Effects
			m.gate.Fail(m.diskErr.Error(), &eff)
			b.release(e.to, &eff)
			b.step(e.to, &Persisted{UpTo: e.sync.ID - 1, Err: m.diskErr})
			return
		}
		require.NoError(b.t, m.store.Apply(e.sync.Ops))
		var eff Effects
		m.gate.Durable(e.sync.ID, &eff)
		b.release(e.to, &eff)
		b.step(e.to, &Persisted{UpTo: e.sync.ID})
	default:
		b.step(e.to, e.in)
	}
}

func (b *bench) request(i int, op OpKind, path, value string) uint64 {
	b.nextReq++
	b.note("client -> %s: %s %s %q", b.machine[i].name, op, path, value)
	b.step(i, &Request{ID: b.nextReq, Op: op, Level: Eventual, Path: path, Value: []byte(value)})
	return b.nextReq
}

func (b *bench) do(i int, op OpKind, path, value string) Response {
	b.t.Helper()
	id := b.request(i, op, path, value)
	b.run(time.Second, func() bool { _, ok := b.machine[i].replies[id]; return ok })
	return b.machine[i].replies[id]
}

func (b *bench) members(n int) bool {
	for _, m := range b.machine {
		if !m.up {
			continue
		}
		alive := 0
		for _, e := range m.node.swim.Members() {
			if e.State == swim.Alive {
				alive++
			}
		}
		if alive != n {
			return false
		}
	}
	return true
}

// same reports whether all machines that are up hold the same records.
func (b *bench) same() bool {
	first := ""
	for _, m := range b.machine {
		if !m.up {
			continue
		}
		var out strings.Builder
		keys := append([]string{}, m.store.keys...)
		sort.Strings(keys)
		for _, k := range keys {
			if path, isRecord := strings.CutPrefix(k, prefixRecord); isRecord {
				fmt.Fprintf(&out, "%s=%x\n", k, Common(path, m.store.m[k]))
			}
		}
		if first != "" && out.String() != first {
			return false
		}
		first = out.String()
	}
	return true
}

func (b *bench) path(p string) string {
	if isConfigPath(p) {
		return "the configuration after epoch " + p[len(configPathPrefix):]
	}
	return p
}

// voters prints a configuration with the names of its members.
func (b *bench) voters(c *Config) string {
	out := fmt.Sprintf("epoch %d, voters", c.Epoch)
	for _, m := range b.machine {
		if m.node != nil && c.Votes(m.node.id) {
			out += " " + m.name
		}
	}
	return out
}

// ballot prints a ballot with the name of its member.
func (b *bench) ballot(v Ballot) string {
	for _, m := range b.machine {
		if m.node != nil && m.node.id == v.Member {
			return fmt.Sprintf("%d/%s/%s", v.Epoch, v.TS, m.name)
		}
	}
	return v.String()
}

// describeBoth prints both halves of a stored slot. The path is not in it, so only its checksum is in doubt.
func (b *bench) describeBoth(record []byte) string {
	for _, path := range []string{"a", "b", "c", configPath(1), configPath(2)} {
		s, err := DecodeSlot(path, record)
		if err != nil {
			continue
		}
		what := ""
		if s.TS != 0 {
			what = b.describe(&s)
		}
		if c := s.Consensus; c.accepted() {
			what += fmt.Sprintf(" %q of version %s under ballot %s", c.Record.Value, c.Record.TS, b.ballot(c.Ballot))
		} else if s.TS == 0 {
			what = "nothing"
		}
		return strings.TrimSpace(what)
	}
	return "something else"
}

func (b *bench) shows(i int, path string) string {
	r, err := NewView(b.machine[i].store, b.machine[i].electorate).Get(path)
	require.NoError(b.t, err)
	return string(r.Value)
}
