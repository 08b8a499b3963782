package recorder_test

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/recorder"
	"kvs/node/relive"
	"kvs/node/slot"
	"kvs/sim/memstore"
)

var update = flag.Bool("update", false, "rewrite the golden file")

// sink keeps what it gets, unless it is full.
type sink struct {
	bytes.Buffer
	full    bool
	flushed int
}

func (s *sink) Begin(head []byte, _ node.Time) bool { return s.Append(head, node.Time{}) }

func (s *sink) Append(record []byte, _ node.Time) bool {
	if !s.full {
		s.Write(record)
	}
	return !s.full
}

func (s *sink) Flush() { s.flushed++ }

// bench is a recorded node that is a cluster of its own.
type bench struct {
	t     *testing.T
	sink  sink
	rec   *recorder.Recorder
	node  *node.Node
	store *memstore.Store
	now   node.Time
	eff   node.Effects
	id    uint64
}

func newBench(t *testing.T, o recorder.Options) *bench {
	b := &bench{t: t, store: memstore.New(), now: node.Time{Wall: 1_700_000_000_000, Mono: time.Second}}
	random := rand.NewChaCha8([32]byte{1})
	o.Sink, o.Randomness, o.Name, o.Cluster = &b.sink, random, "n1", "test"
	var err error
	b.rec, err = recorder.New(o)
	require.NoError(t, err)
	b.node, err = node.New(b.now, node.Options{Name: "n1", Addr: "n1:1", Cluster: "test", Founder: true,
		Store: b.rec.Store(b.store), Rand: rand.New(random)}, &b.eff)
	require.NoError(t, err)
	b.rec.Record(b.node)
	b.durable()
	return b
}

// step steps the node, and makes what it persists durable.
func (b *bench) step(in node.Input) {
	b.now.Wall++
	b.now.Mono += time.Millisecond
	b.rec.Step(b.now, in, &b.eff)
	b.durable()
}

func (b *bench) durable() {
	for b.eff.Persist.ID != 0 {
		p := b.eff.Persist
		b.eff.Reset()
		require.NoError(b.t, b.store.Apply(p.Changes))
		b.rec.Step(b.now, &node.Persisted{UpTo: p.ID}, &b.eff)
	}
	b.eff.Reset()
}

func (b *bench) put(path, value string) {
	b.id++
	b.step(&node.Request{ID: b.id, Op: node.OpPut, Level: node.Eventual, Path: path, Value: []byte(value)})
}

func (b *bench) relive() *relive.Result {
	res, err := relive.Run(bytes.NewReader(b.sink.Bytes()), relive.Options{})
	require.NoError(b.t, err)
	return res
}

func TestRecordAndRelive(t *testing.T) {
	b := newBench(t, recorder.Options{SegmentBytes: 2000})
	for i := range 50 {
		b.put("a/"+string(rune('a'+i%26)), "value")
		b.step(node.Tick{})
	}
	b.rec.SetLogLevel(node.LogDebug)
	b.step(&node.Frame{Data: []byte("nonsense")})
	b.step(&node.SetReadOnly{Reason: node.ReasonOperator, On: true})
	b.put("a/b", "refused")
	res := b.relive()
	require.Nil(t, res.Differs, "%v", res.Differs)
	require.Greater(t, res.Segments, 3)
	require.Equal(t, 1, res.Revived, "the core goes on from segment to segment")
	require.NotZero(t, res.Reads)
	require.Greater(t, res.Effects, uint64(150))
	state, err := b.rec.State()
	require.Equal(t, recorder.Recording, state)
	require.NoError(t, err)
}

// Each thing that a step was given counts: whatever is changed in a recording, the difference is found.
func TestChangesAreFound(t *testing.T) {
	b := newBench(t, recorder.Options{SegmentBytes: 1 << 20})
	b.put("a/x", "one")
	b.put("a/y", "two")
	b.step(node.Tick{})
	b.put("a/x", "three")
	changed := func(change func(i int, s *recorder.Step) bool) *relive.Difference {
		var out []byte
		r, done := recorder.NewReader(bytes.NewReader(b.sink.Bytes())), false
		for i := 0; ; i++ {
			rec, err := r.Next()
			if err == io.EOF {
				break
			}
			require.NoError(t, err)
			switch {
			case rec.Head != nil:
				out = recorder.AppendHead(out, rec.Head)
			case rec.Step != nil:
				done = change(i, rec.Step) || done
				out = recorder.AppendStep(out, rec.Step)
			}
		}
		require.True(t, done, "nothing was changed")
		res, err := relive.Run(bytes.NewReader(out), relive.Options{})
		require.NoError(t, err)
		return res.Differs
	}
	put := func(s *recorder.Step) *node.Request { q, _ := s.Input.(*node.Request); return q }
	first := func(do func(s *recorder.Step)) func(int, *recorder.Step) bool {
		done := false
		return func(_ int, s *recorder.Step) bool {
			if done || put(s) == nil {
				return false
			}
			do(s)
			done = true
			return true
		}
	}
	same := changed(first(func(*recorder.Step) {}))
	require.Nil(t, same, "%v", same)
	value := changed(first(func(s *recorder.Step) { put(s).Value = []byte("onf") }))
	require.Contains(t, value.String(), "recorded: persist ", "the persist, although its record ends with a checksum")
	for what, do := range map[string]func(s *recorder.Step){
		"value":  func(s *recorder.Step) { put(s).Value = []byte("onf") },
		"path":   func(s *recorder.Step) { put(s).Path = "a/z" },
		"clock":  func(s *recorder.Step) { s.Time.Wall += 1000 },
		"input":  func(s *recorder.Step) { s.Input = node.Tick{} },
		"panic":  func(s *recorder.Step) { s.Broke, s.Effects = true, nil },
		"reads":  func(s *recorder.Step) { s.Reads = s.Reads[1:] },
		"read":   func(s *recorder.Step) { s.Reads[0].Err = errors.New("the disk is gone") },
		"more":   func(s *recorder.Step) { s.Reads = append(s.Reads, s.Reads[0]) },
		"effect": func(s *recorder.Step) { s.Effects = s.Effects[:len(s.Effects)-9] },
	} {
		got := changed(first(do))
		require.NotNil(t, got, what)
		require.Contains(t, got.String(), "recorded:", what)
	}
}

func TestGaps(t *testing.T) {
	b := newBench(t, recorder.Options{SegmentBytes: 1 << 20})
	b.put("a", "1")
	b.sink.full = true
	b.put("b", "2")
	b.put("c", "3")
	state, _ := b.rec.State()
	require.Equal(t, recorder.Paused, state)
	b.sink.full = false
	b.now.Mono += 2 * time.Second
	b.put("d", "4")
	require.EqualValues(t, 1, b.rec.Gaps())
	res := b.relive()
	require.Nil(t, res.Differs)
	require.Equal(t, 2, res.Revived, "another image begins behind the gap")

	small := newBench(t, recorder.Options{SegmentBytes: 1 << 20, ImageBytesMax: 100})
	small.put("a", "1")
	state, err := small.rec.State()
	require.Equal(t, recorder.TooLarge, state)
	require.ErrorIs(t, err, node.ErrImageTooLarge)
	require.Zero(t, small.sink.Len())

	large := newBench(t, recorder.Options{SegmentBytes: 1 << 20, RecordBytesMax: 5000})
	large.put("a", string(make([]byte, 6000)))
	large.put("b", "2")
	require.EqualValues(t, 1, large.rec.Gaps())
	require.Nil(t, large.relive().Differs)
}

// The step in which the core panics is in the recording, and panics again.
func TestPanicIsRecorded(t *testing.T) {
	b := newBench(t, recorder.Options{SegmentBytes: 1 << 20})
	b.put("a", "1")
	require.Panics(t, func() { b.rec.Step(b.now, &node.Persisted{UpTo: 1000}, &b.eff) })
	require.Equal(t, 1, b.sink.flushed)
	res := b.relive()
	require.Nil(t, res.Differs)
	require.Contains(t, res.Broke, "persisted out of order")
}

func TestTornAndForeign(t *testing.T) {
	b := newBench(t, recorder.Options{SegmentBytes: 1 << 20, Build: recorder.Build{Revision: "abc", Toolchain: "go1"}})
	b.put("a", "1")
	b.put("b", "2")
	run := func(content []byte, build recorder.Build, anyBuild bool) (*relive.Result, error) {
		return relive.Run(bytes.NewReader(content), relive.Options{Build: build, AnyBuild: anyBuild})
	}
	ours, all := recorder.Build{Revision: "abc", Toolchain: "go1"}, b.sink.Bytes()
	whole, err := run(all, ours, false)
	require.NoError(t, err)
	require.NoError(t, whole.Torn)
	for cut := 1; cut < 40; cut++ {
		res, err := run(all[:len(all)-cut], ours, false)
		require.NoError(t, err)
		require.Nil(t, res.Differs)
		require.Less(t, res.Steps, whole.Steps)
	}
	damaged := bytes.Clone(all)
	damaged[len(damaged)-1] ^= 1
	res, err := run(damaged, ours, false)
	require.NoError(t, err)
	require.ErrorIs(t, res.Torn, recorder.ErrTorn)

	_, err = run(all, recorder.Build{Revision: "def", Toolchain: "go1"}, false)
	require.ErrorIs(t, err, relive.ErrBuild)
	require.ErrorContains(t, err, "commit abc")
	require.ErrorContains(t, err, "--any-build")
	_, err = run(all, recorder.Build{Revision: "def", Toolchain: "go1"}, true)
	require.NoError(t, err)
	_, err = run(all, recorder.Build{Revision: "abc", Toolchain: "go2"}, true)
	require.ErrorIs(t, err, relive.ErrBuild)
	for _, none := range []string{"", "hello", "something that is no recording at all, but long enough"} {
		_, err = run([]byte(none), ours, false)
		require.ErrorIs(t, err, recorder.ErrFormat, none)
	}
}

// golden is a recording with every sort of input and read. Its image is none.
func golden() []byte {
	b := recorder.AppendHead(nil, &recorder.Head{
		Build: recorder.Build{Version: "1.2.3", Revision: "abcdef", Toolchain: "go1.24", Layout: 42},
		Name:  "n1", Cluster: "test", Member: 7, Boots: 3, Step: 1, Time: node.Time{Wall: 1_700_000_000_000, Mono: 5},
		Randomness: []byte("random"), Image: []byte("image"),
	})
	b = recorder.AppendHead(b, &recorder.Head{
		Hashed: &recorder.Checked{Steps: 300, Effects: 4, Differs: true, Ended: "why"}, Name: "n1", Image: []byte("i"),
	})
	inputs := []node.Input{
		node.Tick{}, &node.Datagram{From: "n2:1", Data: []byte("gossip")}, &node.Frame{By: "n2", Data: []byte("frame")},
		&node.Persisted{UpTo: 9}, &node.Persisted{UpTo: 9, Err: errors.New("disk")},
		&node.Join{Addrs: []string{"a", "b"}},
		node.Leave{}, &node.SetReadOnly{Reason: "disk", On: true}, &node.Remove{ID: 5, Force: true},
		&node.Watching{On: true},
		&node.Request{
			ID: 4, Op: node.OpPut, Level: node.Linearizable, Path: "a/b", Value: []byte("v"), ContentType: "text/plain",
			TTL: time.Second, Condition: node.Condition{Kind: node.IfMatch, Any: true,
				Versions: []slot.Version{{TS: 3, UUID: slot.UUID{1}}}},
			Key: slot.UUID{2}, Fingerprint: 6, Deadline: time.Minute, Strong: []string{"/"}, Hold: true, Epoch: 8,
		},
	}
	for i, in := range inputs {
		b = recorder.AppendStep(b, &recorder.Step{Number: uint64(i + 1),
			Time: node.Time{Wall: 1_700_000_000_001, Mono: 6}, Input: in, Effects: []byte{'W', 7}})
	}
	b = recorder.AppendStep(b, &recorder.Step{Number: 12, Reads: []recorder.Read{
		{Kind: recorder.ReadGet, Key: "k", Found: true, Value: []byte("v")}, {Kind: recorder.ReadGet, Key: "k"},
		{Kind: recorder.ReadGet, Key: "k", Err: errors.New("bad")},
		{Kind: recorder.ReadGet, Key: "k", Err: node.ErrCorrupt},
		{Kind: recorder.ReadScan, Key: "p/", From: "p/a", Stopped: true,
			Shown: []recorder.Shown{{Key: "p/b", Value: []byte("w")}}},
		{Kind: recorder.ReadKeys, Key: "p/", From: "p/", Shown: []recorder.Shown{{Key: "p/b"}}},
	}, Input: node.Tick{}, Broke: true})
	return recorder.AppendLevel(b, node.LogDebug)
}

// The bytes of the format do not change without another version of it.
func TestFormatIsGolden(t *testing.T) {
	const name = "testdata/format2.bin"
	if *update {
		require.NoError(t, os.WriteFile(name, golden(), 0o600))
	}
	want, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, want, golden())
	var again []byte
	r := recorder.NewReader(bytes.NewReader(want))
	for {
		rec, err := r.Next()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		switch {
		case rec.Head != nil:
			again = recorder.AppendHead(again, rec.Head)
		case rec.Step != nil:
			require.NotEmpty(t, recorder.Describe(rec.Step.Input))
			for i := range rec.Step.Reads {
				require.NotEmpty(t, rec.Step.Reads[i].String())
			}
			again = recorder.AppendStep(again, rec.Step)
		default:
			again = recorder.AppendLevel(again, rec.Level)
		}
	}
	require.Equal(t, want, again)
	require.EqualValues(t, len(want), r.Bytes())
	older := bytes.Clone(want)
	_, err = relive.Run(bytes.NewReader(older), relive.Options{Build: recorder.Build{Toolchain: "go1.24"}})
	require.ErrorIs(t, err, relive.ErrBuild, "the types of the state are others")
	former, err := os.ReadFile("testdata/format1.bin")
	require.NoError(t, err)
	_, err = recorder.NewReader(bytes.NewReader(former)).Next()
	require.ErrorIs(t, err, recorder.ErrFormat)
	require.ErrorContains(t, err, "format 1, this program reads 2: use the kvsim of the release that made it")
}

func FuzzReader(f *testing.F) {
	f.Add(golden())
	f.Add([]byte("kvs-recording"))
	f.Fuzz(func(t *testing.T, content []byte) {
		r := recorder.NewReader(bytes.NewReader(content))
		for {
			rec, err := r.Next()
			if err != nil {
				known := err == io.EOF || errors.Is(err, recorder.ErrTorn) || errors.Is(err, recorder.ErrFormat)
				require.True(t, known, err)
				return
			}
			if rec.Step != nil {
				_, _ = recorder.Marks(rec.Step.Effects)
			}
		}
	})
}
