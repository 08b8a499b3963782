package report

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/chaos"
	"kvs/scenarios"
	"kvs/sim"
	"kvs/sim/kvs"
	"kvs/sim/scenario"
	"kvs/sim/simcmd/document"
)

func lived(t *testing.T, name string, change func(s *scenario.Scenario)) *Run {
	t.Helper()
	s, err := scenarios.Load(name)
	require.NoError(t, err)
	change(&s)
	s = sim.Draw(2, s)
	rec := &sim.Recording{}
	res, err := sim.Run(sim.Options{System: kvs.System{}, Seed: 2, Scenario: &s, Record: rec})
	require.NoError(t, err)
	return &Run{Scenario: &s, Result: res, Recording: rec, Replay: "make sim SEED=2",
		Meaning: func(promise string) string { return document.Meaning(kvs.System{}, promise) }}
}

// dataOf reads the page's data back.
func dataOf(t *testing.T, html string) (d data) {
	t.Helper()
	m := regexp.MustCompile(`(?s)<script id="data" type="application/json">(.*?)</script>`).FindStringSubmatch(html)
	require.NotNil(t, m)
	require.NoError(t, json.Unmarshal([]byte(m[1]), &d))
	return d
}

func TestPageHoldsTheRun(t *testing.T) {
	r := lived(t, "split-brain", func(s *scenario.Scenario) {})
	r.Picture = []byte("<html></script><script>picture</script></html>")
	var b bytes.Buffer
	require.NoError(t, Write(&b, r))
	require.NotRegexp(t, `(?i)(src|href)=|https?://|@import|url\(`, page+style+drawing,
		"it needs nothing from elsewhere")
	require.NotContains(t, b.String(), styleMarker)
	require.NotContains(t, b.String(), drawingMarker)
	d := dataOf(t, b.String())
	require.Equal(t, string(r.Picture), d.Picture, "and its end of a script did not end the page's")
	require.Equal(t, 3, strings.Count(b.String(), "</script>")+1, "data and drawing")
	require.Len(t, d.Messages, len(r.Recording.Messages))
	about := map[string]bool{}
	for i, m := range d.Messages {
		require.Equal(t, r.Recording.Messages[i].Detail, d.Details[m[7]])
		about[d.Kinds[m[4]]] = about[d.Kinds[m[4]]] || strings.Contains(d.Details[m[7]], "version ")
	}
	require.True(t, about["replicate"], "a message says what it is about")
	require.False(t, about["gossip"])
	require.Len(t, d.Marks, len(r.Recording.Marks))
	require.Len(t, d.Operations, len(r.Result.History.Ops))
	require.Equal(t, "ok", d.Verdict)
	require.Equal(t, r.Scenario.String(), d.Scenario)
	require.Equal(t, r.Replay, d.Replay)
	require.NotEmpty(t, d.Bands)
	for _, o := range d.Operations {
		require.LessOrEqual(t, o.From, o.To)
		require.LessOrEqual(t, o.To, d.End)
	}
}

func TestPageShowsWhatBroke(t *testing.T) {
	r := lived(t, "eventual-is-not-linearizable", func(s *scenario.Scenario) {
		s.Expect = []scenario.Promise{scenarios.Linearizable}
	})
	var b bytes.Buffer
	require.NoError(t, Write(&b, r))
	d := dataOf(t, b.String())
	require.Equal(t, "linearizable", d.Verdict)
	require.Len(t, d.Violations, 1)
	require.NotEmpty(t, d.Violations[0].Path)
	require.Equal(t, "linearizable", d.Violations[0].Promise)
	require.Contains(t, d.Violations[0].Meaning, "fit no order")
	require.NotEmpty(t, d.Violations[0].Ops)
	for _, i := range d.Violations[0].Ops {
		require.Equal(t, d.Violations[0].Path, d.Operations[i].Path)
	}
}

// A fault's band ends where the fault does.
func TestBands(t *testing.T) {
	plan, err := chaos.ParsePlan(`
at 1s partition n1 | n2
at 2s loss 5%
at 3s partition n1,n2 | n3
at 4s crash n1
at 5s loss 0%
at 6s pause n2
at 7s restart n1
at 8s heal
at 9s crash n2
at 10s skew n3 +1s
at 11s jump n3 +1s
at 12s recover
`)
	require.NoError(t, err)
	var got []string
	for _, b := range bands(3, plan.Events, 20*time.Second) {
		got = append(got, (time.Duration(b.From)*time.Microsecond).String()+" "+
			(time.Duration(b.To)*time.Microsecond).String()+" "+b.Text)
	}
	require.Equal(t, []string{
		"1s 3s partition n1 | n2", "2s 5s loss 5%", "4s 7s crash n1", "3s 8s partition n1,n2 | n3", "6s 9s pause n2",
		"11s 11s jump n3 +1s",
		"9s 12s crash n2", "10s 12s skew n3 +1s",
	}, got)
	require.Equal(t, int64(20_000_000), bands(3, plan.Events[:1], 20*time.Second)[0].To,
		"what nothing ended lasts to the end")
}

// Each node and each link has its own end of a fault.
func TestBandsOfParts(t *testing.T) {
	for plan, want := range map[string][]string{
		"at 1s crash n1,n2\nat 2s restart n1\nat 4s restart n2\nat 5s crash n3": {"1s 2s crash n1", "1s 4s crash n2",
			"5s 20s crash n3"},
		"at 1s cut n1 -> n2\nat 2s cut n3 -> n4\nat 3s heal-cut n1 -> n2": {"1s 3s cut n1 -> n2",
			"2s 20s cut n3 -> n4"},
		"at 1s clog n1,n3 -> n2\nat 2s heal-clog n3 -> n2\nat 3s heal-clog": {"1s 2s clog n3 -> n2",
			"1s 3s clog n1 -> n2"},
		"at 1s cut n1 -> n2\nat 2s heal-cut n2 -> n1\nat 3s cut n1 -> n2": {"1s 20s cut n1 -> n2"},
		"at 1s pause n1,n2\nat 2s crash n2\nat 3s resume n1": {"1s 2s pause n2", "1s 3s pause n1",
			"2s 20s crash n2"},
		"at 1s loss 5%\nat 2s loss n1 -> n2 0%\nat 3s loss n3 -> n1 1%": {"1s 2s loss n1 -> n2 5%",
			"1s 3s loss n3 -> n1 5%"},
		"at 1s skew n1,n2 +1s\nat 2s heal-clocks n2": {"1s 2s skew n2 +1s",
			"1s 20s skew n1 +1s"},
	} {
		p, err := chaos.ParsePlan(plan)
		require.NoError(t, err)
		var got []string
		for _, b := range bands(4, p.Events, 20*time.Second) {
			got = append(got, (time.Duration(b.From)*time.Microsecond).String()+" "+
				(time.Duration(b.To)*time.Microsecond).String()+" "+b.Text)
		}
		require.Equal(t, want, got[:len(want)], plan)
	}
}
