package kvs

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/hashed"
	"kvs/node/recorder"
	"kvs/node/relive"
	"kvs/node/slot"
	"kvs/scenarios"
	"kvs/sim"
	"kvs/sim/kvs/world"
)

// memory is a sink that keeps everything.
type memory struct {
	whole    bytes.Buffer
	segments []int // where each begins.
}

func (m *memory) Begin(head []byte, _ node.Time) bool {
	m.segments = append(m.segments, m.whole.Len())
	m.whole.Write(head)
	return true
}

func (m *memory) Append(record []byte, _ node.Time) bool {
	m.whole.Write(record)
	return true
}

func (m *memory) Flush() {}

// recordRun runs a scenario, and returns what each run of each member has recorded.
func recordRun(t testing.TB, name string, seed uint64) (all []*memory, res *sim.Result) {
	t.Helper()
	s, err := scenarios.Load(name)
	require.NoError(t, err)
	d := sim.Draw(seed, s)
	sys := System{Recorded: &world.Recorded{SegmentBytes: 256 << 10, Sink: func(int) recorder.Sink {
		all = append(all, new(memory))
		return all[len(all)-1]
	}}}
	res, err = sim.Run(sim.Options{System: sys, Seed: seed, Scenario: &d})
	require.NoError(t, err)
	return all, res
}

// reliveSeeds is how many seeds of each scenario are recorded; KVS_RELIVE_SEEDS asks for more.
func reliveSeeds(t testing.TB) uint64 {
	text := os.Getenv("KVS_RELIVE_SEEDS")
	if text == "" {
		return 1
	}
	n, err := strconv.ParseUint(text, 10, 32)
	require.NoError(t, err)
	return n
}

// reliveAll relives a recording as a whole, and each of its segments for itself.
func reliveAll(t testing.TB, m *memory, sum *relive.Result) {
	t.Helper()
	all := m.whole.Bytes()
	pieces := [][]byte{all}
	for i, from := range m.segments {
		to := len(all)
		if i+1 < len(m.segments) {
			to = m.segments[i+1]
		}
		pieces = append(pieces, all[from:to])
	}
	for _, piece := range pieces {
		got, err := relive.Run(bytes.NewReader(piece), relive.Options{})
		require.NoError(t, err)
		require.Nil(t, got.Differs, "%v", got.Differs)
		require.NoError(t, got.Torn)
		sum.Revived += got.Revived
		sum.Steps += got.Steps
		sum.Effects += got.Effects
	}
}

// hashedSource is a recording that can be read again.
type hashedSource struct{ *bytes.Reader }

func (s hashedSource) Rewind() error {
	_, err := s.Seek(0, io.SeekStart)
	return err
}

// hash replaces the values in a piece of a recording, and runs what comes of it.
func hash(t testing.TB, piece []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	res, err := hashed.Write(&out, hashedSource{bytes.NewReader(piece)}, hashed.Options{})
	require.NoError(t, err)
	require.Nil(t, res.Differs, "%v", res.Differs)
	again, err := relive.Run(bytes.NewReader(out.Bytes()), relive.Options{})
	require.NoError(t, err)
	require.Nil(t, again.Differs, "%v", again.Differs)
	require.Equal(t, &recorder.Checked{Steps: res.Steps, Effects: res.Effects}, again.Head.Hashed)
	require.Equal(t, res.Steps, again.Steps)
	require.Equal(t, res.Effects, again.Effects)
	return out.Bytes()
}

// hashAll replaces the values in a recording. What comes of its segments, each for itself, has to be the same: their
// images are those of the core that was given hashes all the time, so nothing was left out of them.
func hashAll(t testing.TB, m *memory) {
	t.Helper()
	all := m.whole.Bytes()
	whole := recorder.NewReader(bytes.NewReader(hash(t, all)))
	for i, from := range m.segments {
		to := len(all)
		if i+1 < len(m.segments) {
			to = m.segments[i+1]
		}
		r := recorder.NewReader(bytes.NewReader(hash(t, all[from:to])))
		for rec, err := r.Next(); err != io.EOF; rec, err = r.Next() {
			require.NoError(t, err)
			want, err := whole.Next()
			require.NoError(t, err)
			if rec.Head == nil {
				require.True(t, bytes.Equal(want.Content, rec.Content))
				continue
			}
			rec.Head.Hashed, want.Head.Hashed = nil, nil
			require.True(t, bytes.Equal(recorder.AppendHead(nil, want.Head), recorder.AppendHead(nil, rec.Head)))
		}
	}
}

// Whatever happens to a cluster, the core of each member does the same again from each image.
func TestRecordingsRelive(t *testing.T) {
	names := []string{"swarm", "voter-churn", "watch-swarm", "broken-disks", "sealed"}
	if reliveSeeds(t) > 1 {
		names = append(names, "everything", "equal-clocks", "linearizable-swarm", "bootstrap-swarm", "expiry",
			"deletes", "lost-tail", "older-copy")
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			var sum relive.Result
			for seed := uint64(1); seed <= reliveSeeds(t); seed++ {
				recordings, res := recordRun(t, name, seed)
				require.Empty(t, res.Violations, "%s\n%s", res, res.Stack)
				for i, m := range recordings {
					if m.whole.Len() == 0 {
						continue // the run ended before its first step.
					}
					reliveAll(t, m, &sum)
					if i == 0 || reliveSeeds(t) > 1 {
						hashAll(t, m)
					}
				}
			}
			t.Logf("relived from %d images: %d steps, %d effects", sum.Revived, sum.Steps, sum.Effects)
			require.NotZero(t, sum.Effects)
		})
	}
}

// spy notes what is replaced: values, and hashes of values.
type spy struct {
	seen map[string]bool
	hash uint64
}

func (s *spy) Value(value []byte) []byte {
	if _, err := slot.DecodeOwn("", value); err != nil { // it is no slot as a whole, which may have no value in it.
		s.seen[string(value)] = true
	}
	out := bytes.Clone(value)
	for i := range out {
		out[i] ^= 0xa5
	}
	return out
}

func (s *spy) Hash(hash uint64) uint64 {
	if hash == 0 {
		return 0
	}
	s.seen[string(binary.LittleEndian.AppendUint64(nil, hash))] = true
	return hash ^ 1<<63
}

// No value is left in a recording with hashes, whatever the node was given: conflicts, ends of values, deletions,
// linearizable writes under keys, bootstraps, damaged records.
func TestHashedRecordingsHoldNoValues(t *testing.T) {
	for _, name := range []string{"everything", "equal-clocks", "broken-disks"} {
		recordings, _ := recordRun(t, name, 3)
		whole := recordings[0].whole.Bytes()
		s := &spy{seen: map[string]bool{}}
		_, err := relive.Run(bytes.NewReader(whole), relive.Options{Rewrite: &relive.Rewrite{Values: s,
			Write: func([]byte) error { return nil }}})
		require.NoError(t, err)
		require.Greater(t, s.countIn(whole), 100, "%s: the alarm rings", name)
		require.Zero(t, s.countIn(hash(t, whole)), name)
	}
}

// countIn is how often something that was replaced is in a file, unless it is so short that it may be an accident.
func (s *spy) countIn(file []byte) (count int) {
	const bytesMin = 6
	byBegin := map[[bytesMin]byte][]string{}
	for v := range s.seen {
		if len(v) >= bytesMin {
			begin := [bytesMin]byte([]byte(v))
			byBegin[begin] = append(byBegin[begin], v)
		}
	}
	for at := 0; at+bytesMin <= len(file); at++ {
		for _, v := range byBegin[[bytesMin]byte(file[at:])] {
			if bytes.HasPrefix(file[at:], []byte(v)) {
				count++
			}
		}
	}
	return count
}

// longer is no Replacer: the core sees how long a value is.
type longer struct{ *spy }

func (longer) Value(value []byte) []byte { return append(bytes.Clone(value), 'x') }

// What a recording proves with its values is told by the one with hashes: here, that the core had decided otherwise.
// And a replacement on which something depends is found out.
func TestHashedRecordingTellsOfDifference(t *testing.T) {
	recordings, _ := recordRun(t, "broken-disks", 1)
	var whole, changed []byte
	var at uint64 // the step that is changed; zero: none was yet.
	for i := 0; at == 0; i++ {
		whole, changed = recordings[i].whole.Bytes(), nil
		r := recorder.NewReader(bytes.NewReader(whole))
		for rec, err := r.Next(); err != io.EOF; rec, err = r.Next() {
			require.NoError(t, err)
			switch {
			case rec.Head != nil:
				changed = recorder.AppendHead(changed, rec.Head)
			case rec.Step != nil:
				q, is := rec.Step.Input.(*node.Request)
				if at == 0 && is && len(q.Value) > 0 && rec.Step.Effects[0] == recorder.MarkPersist {
					q.Value[0]++
					at = rec.Step.Number
				}
				changed = recorder.AppendStep(changed, rec.Step)
			}
		}
	}
	var out bytes.Buffer
	res, err := hashed.Write(&out, hashedSource{bytes.NewReader(changed)}, hashed.Options{})
	require.NoError(t, err)
	require.NotNil(t, res.Differs)
	again, err := relive.Run(bytes.NewReader(out.Bytes()), relive.Options{})
	require.NoError(t, err)
	require.Nil(t, again.Differs)
	require.Equal(t, at, again.Head.Step+again.Steps, "it ends before that step")
	c := again.Head.Hashed
	require.True(t, c.Differs)
	require.Equal(t, res.Steps, c.Steps)
	require.Contains(t, c.Ended, fmt.Sprintf("step %d, request ", at))
	require.Contains(t, c.Ended, "had other effects when it was run again with the values: effect 1 of ")
	require.NotContains(t, c.Ended, "sum", "one over a value")

	res, err = relive.Run(bytes.NewReader(whole), relive.Options{Rewrite: &relive.Rewrite{
		Values: longer{&spy{}}, Write: func([]byte) error { return nil }}})
	require.NoError(t, err)
	require.NotNil(t, res.Differs)
	require.NotContains(t, res.Differs.Shape, "sum")
}
