package sim

import (
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"

	"kvs/scenarios"
)

// A run that is looked at is the same run, and everything that the page draws is there.
func TestRecordingChangesNothing(t *testing.T) {
	s, err := scenarios.Load("swarm")
	require.NoError(t, err)
	var lost, arrived int
	kinds := map[MarkKind]bool{}
	for seed := uint64(1); seed <= 6; seed++ {
		drawn := Draw(seed, s)
		plain, err := Run(Options{Seed: seed, Scenario: &drawn})
		require.NoError(t, err)
		rec := &Recording{}
		seen, err := Run(Options{Seed: seed, Scenario: &drawn, Record: rec})
		require.NoError(t, err)
		require.Equal(t, plain.Trace, seen.Trace)
		if drawn.Core == 0 {
			require.Len(t, rec.Faults, seen.Faults+1, "the end of all faults is one as well")
		} else {
			require.Greater(t, len(rec.Faults), seen.Faults+1, "and so is what becomes of those outside the core")
		}
		require.GreaterOrEqual(t, len(rec.Messages), int(seen.Messages)-rec.Left)
		require.True(t, slices.IsSortedFunc(rec.Messages, func(a, b RecordedMessage) int { return int(a.Sent - b.Sent) }))
		require.True(t, slices.IsSortedFunc(rec.Marks, func(a, b Mark) int { return int(a.At - b.At) }))
		for _, m := range rec.Messages {
			require.GreaterOrEqual(t, m.Arrived, m.Sent)
			if m.Lost {
				lost++
			} else {
				arrived++
			}
		}
		for _, m := range rec.Marks {
			kinds[m.Kind] = true
		}
	}
	require.NotZero(t, lost)
	require.Greater(t, arrived, lost)
	for _, k := range []MarkKind{MarkStart, MarkCrash, MarkPause, MarkResume, MarkPersist, MarkLog} {
		require.True(t, kinds[k], k)
	}
}

func TestRecordingIsBounded(t *testing.T) {
	s, err := scenarios.Load("quiet")
	require.NoError(t, err)
	s.Settle = time.Millisecond // which nobody can keep: a promise breaks at the end.
	drawn := Draw(1, s)
	whole, rec := &Recording{}, &Recording{EventsMax: 100}
	for _, r := range []*Recording{whole, rec} {
		_, err = Run(Options{Seed: 1, Scenario: &drawn, Record: r})
		require.NoError(t, err)
	}
	require.LessOrEqual(t, len(rec.Messages), 100)
	require.Equal(t, whole.Messages[len(whole.Messages)-len(rec.Messages):], rec.Messages, "the last ones, and how they ended")
	require.Equal(t, len(whole.Messages)+len(whole.Marks), len(rec.Messages)+len(rec.Marks)+rec.Left)
	of := func(marks []Mark, minor bool) (out []Mark) {
		for _, m := range marks {
			if m.Kind.minor() == minor {
				out = append(out, m)
			}
		}
		return out
	}
	require.Equal(t, of(whole.Marks, false), of(rec.Marks, false), "all that people look for")
	few := of(rec.Marks, true)
	require.LessOrEqual(t, len(few), 100)
	require.Equal(t, of(whole.Marks, true)[len(of(whole.Marks, true))-len(few):], few)
	require.True(t, slices.ContainsFunc(rec.Marks, func(m Mark) bool { return m.Kind == MarkBroken }))
}

// The names of messages are those of node/wire.go.
func TestMessageKindsAreThoseOfTheNode(t *testing.T) {
	source, err := os.ReadFile("../node/wire.go")
	require.NoError(t, err)
	names := map[byte]string{}
	for _, m := range regexp.MustCompile(`\tmsg(\w+) +msgKind = (\d+)`).FindAllStringSubmatch(string(source), -1) {
		number, err := strconv.Atoi(m[2])
		require.NoError(t, err)
		var name strings.Builder
		for i, c := range m[1] {
			if unicode.IsUpper(c) && i > 0 {
				name.WriteByte('-')
			}
			name.WriteRune(unicode.ToLower(c))
		}
		names[byte(number)] = name.String()
	}
	for number, name := range messageKinds {
		require.Equal(t, names[number], name, number)
	}
	require.Equal(t, "kind 99", messageKind([]byte{1, 99}))
	require.Equal(t, "cut short", messageKind(nil))
}
