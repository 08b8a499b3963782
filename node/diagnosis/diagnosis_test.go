package diagnosis

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/api"
)

func millis(n int64) *int64 { return &n }

// found are findings by severity and check.
func found(list []api.Finding) map[string]string {
	out := map[string]string{}
	for _, f := range list {
		out[f.Severity+" "+f.Check] += f.Subject + ": " + f.What + "\n"
	}
	return out
}

func TestNode(t *testing.T) {
	well := api.Status{ID: "1", Name: "a", Mode: "normal", Ready: true,
		Members: []api.Member{{ID: "2", Name: "b"}}, Peers: []api.Peer{{ID: "2", ClockOffsetMillis: millis(-90)}}}
	f := Findings{Subject: "a"}
	f.Node(&well, 500*time.Millisecond)
	require.Equal(t, []api.Finding{{Severity: Fine, Subject: "a", Check: "state"}}, f.List)

	ill := well
	ill.Mode, ill.Ready, ill.Reasons = "syncing", false, []string{"bootstrap", "clock"}
	ill.Retired, ill.Clash, ill.Warnings = "it was removed", "two of them", []string{"a seed is silent"}
	ill.Peers = []api.Peer{
		{ID: "2", ClockOffsetMillis: millis(700), ClockErrorMillis: millis(100), Dropped: 3, HintsFull: 4},
		{ID: "3", ClockOffsetMillis: millis(-300), ClockErrorMillis: millis(100)},
	}
	f = Findings{Subject: "a"}
	f.Node(&ill, 500*time.Millisecond)
	const bound = "; with more than 500ms (max_clock_offset) against most members a node takes no writes\n"
	require.Equal(t, map[string]string{
		"problem membership":  "a: it was removed\na: two of them\n",
		"problem mode":        "a: syncing, not ready: bootstrap, clock\n",
		"warning node":        "a: a seed is silent\n",
		"problem clock":       "a: it differs from that of b by 600ms" + bound,
		"warning clock":       "a: it differs from that of member 3 by 200ms" + bound,
		"warning replication": "a: 7 messages for b were dropped since the start\n",
	}, found(f.List))

	readOnly := well
	readOnly.Mode, readOnly.Reasons = "read-only", []string{"operator"}
	f = Findings{Subject: "a"}
	f.Node(&readOnly, time.Second)
	require.Equal(t, map[string]string{"warning mode": "a: read-only: operator\n"}, found(f.List))
}

// views are three members, of which each sees the others in these states.
func views(states map[string]string) *Views {
	v := &Views{By: map[string]*api.Status{}, Silent: map[string]string{}}
	for _, id := range []string{"1", "2", "3"} {
		st := &api.Status{ID: id, Name: "n" + id, Version: "v1", Digest: "d"}
		for _, other := range []string{"1", "2", "3"} {
			state := "alive"
			if s := states[id+other]; s != "" {
				state = s
			}
			st.Members = append(st.Members,
				api.Member{ID: other, Name: "n" + other, Address: "h:" + other, State: state})
			st.Voters.Voters = append(st.Voters.Voters, api.Voter{ID: other})
		}
		st.Voters.Epoch = 1
		v.By[id] = st
	}
	return v
}

func TestCluster(t *testing.T) {
	const well = "cluster c: \n"
	require.Equal(t,
		map[string]string{"ok members": well, "ok voters": well, "ok versions": well, "ok data": well},
		found(views(nil).Examine("c")))

	down := views(map[string]string{"13": "dead", "23": "dead"})
	delete(down.By, "3")
	down.Silent["3"] = "connection refused"
	require.Equal(t, "cluster c: n3 (h:3) is down: connection refused\n", found(down.Examine("c"))["problem members"])
	require.Contains(t, found(down.Examine("c"))["warning voters"], "2 of 3 voters answer: one more failure")
	delete(down.By, "2")
	down.Silent["2"] = "no route"
	require.Contains(t, found(down.Examine("c"))["problem voters"], "1 of 3 voters answer, and 2 are needed")
	require.Contains(t, found(down.Examine("c"))["warning members"], "n2 (h:2) is alive for the others")

	oneWay := views(map[string]string{"13": "dead"})
	require.Equal(t, "cluster c: n3 is not heard by n1, and is heard by n2\n",
		found(oneWay.Examine("c"))["problem network"])

	mixed := views(nil)
	mixed.By["2"].Version, mixed.By["2"].Digest = "v2", "e"
	mixed.By["1"].Peers = []api.Peer{{QueueEntries: 4}}
	require.Equal(t, "cluster c: members run different versions: n1, n3 v1; n2 v2\n",
		found(mixed.Examine("c"))["warning versions"])
	require.Contains(t, found(mixed.Examine("c"))["warning data"], "4 writes are on their way")

	even := views(nil)
	even.By["1"].Voters.Epoch, even.By["1"].Voters.Voters = 2, even.By["1"].Voters.Voters[:2]
	require.Contains(t, found(even.Examine("c"))["warning voters"], "2 voters survive no more failures than 1")

	for expected, text := range map[int]string{0: "3 members have met\n", 5: "3 members have met, of 5 expected\n"} {
		unfounded := views(nil)
		unfounded.ExpectedMembers = expected
		for _, st := range unfounded.By {
			st.Voters.Epoch = 0
		}
		require.Contains(t, found(unfounded.Examine("c"))["problem voters"], text)
	}
}
