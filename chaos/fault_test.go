package chaos

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var faults = []struct {
	text string
	want Fault
}{
	{"partition n1,n2 | n3", Fault{Kind: Partition, Groups: [][]int{{1, 2}, {3}}}},
	{"partition n1 | n2 | n5,n3", Fault{Kind: Partition, Groups: [][]int{{1}, {2}, {5, 3}}}},
	{"heal-partition", Fault{Kind: HealPartition}},
	{"cut n1 -> n2,n3", Fault{Kind: Cut, From: []int{1}, To: []int{2, 3}}},
	{"heal-cut", Fault{Kind: HealCut}},
	{"heal-cut n1 -> n2", Fault{Kind: HealCut, From: []int{1}, To: []int{2}}},
	{"clog n1 -> n2,n3", Fault{Kind: Clog, From: []int{1}, To: []int{2, 3}}},
	{"heal-clog", Fault{Kind: HealClog}},
	{"heal-clog n1 -> n2", Fault{Kind: HealClog, From: []int{1}, To: []int{2}}},
	{"reset", Fault{Kind: Reset}},
	{"reset n1 -> n2", Fault{Kind: Reset, From: []int{1}, To: []int{2}}},
	{"loss 30%", Fault{Kind: Loss, PPM: 300_000}},
	{"loss n1 -> n2 5%", Fault{Kind: Loss, From: []int{1}, To: []int{2}, PPM: 50_000}},
	{"duplicate 2%", Fault{Kind: Duplicate, PPM: 20_000}},
	{"reorder 0%", Fault{Kind: Reorder}},
	{"corrupt 0.1%", Fault{Kind: Corrupt, PPM: 1000}},
	{"corrupt 0.0001%", Fault{Kind: Corrupt, PPM: 1}},
	{"forge 20%", Fault{Kind: Forge, PPM: 200_000}},
	{"delay 50ms..200ms", Fault{Kind: Delay, Amount: 50 * time.Millisecond, AmountMax: 200 * time.Millisecond}},
	{"delay n2 -> n1 1s",
		Fault{Kind: Delay, From: []int{2}, To: []int{1}, Amount: time.Second, AmountMax: time.Second}},
	{"delay 0s", Fault{Kind: Delay}},
	{"heal", Fault{Kind: Heal}},
	{"skew n2 +1500ms", Fault{Kind: Skew, Nodes: []int{2}, Amount: 1500 * time.Millisecond}},
	{"jump n2 -5m", Fault{Kind: Jump, Nodes: []int{2}, Amount: -5 * time.Minute}},
	{"drift n2 +200ppm", Fault{Kind: Drift, Nodes: []int{2}, PPM: 200}},
	{"drift n2,n3 -50ppm", Fault{Kind: Drift, Nodes: []int{2, 3}, PPM: -50}},
	{"freeze-clock n2", Fault{Kind: FreezeClock, Nodes: []int{2}}},
	{"thaw-clock n2", Fault{Kind: ThawClock, Nodes: []int{2}}},
	{"heal-clocks", Fault{Kind: HealClocks}},
	{"heal-clocks n9", Fault{Kind: HealClocks, Nodes: []int{9}}},
	{"crash n1", Fault{Kind: Crash, Nodes: []int{1}}},
	{"restart n1,n2", Fault{Kind: Restart, Nodes: []int{1, 2}}},
	{"pause n1", Fault{Kind: Pause, Nodes: []int{1}}},
	{"resume n1", Fault{Kind: Resume, Nodes: []int{1}}},
	{"wipe n1", Fault{Kind: Wipe, Nodes: []int{1}}},
	{"lose-tail n2", Fault{Kind: LoseTail, Nodes: []int{2}}},
	{"copy-disk n2", Fault{Kind: CopyDisk, Nodes: []int{2}}},
	{"put-back n2", Fault{Kind: PutBack, Nodes: []int{2}}},
	{"swap-disks n1,n3", Fault{Kind: SwapDisks, Nodes: []int{1, 3}}},
	{"rot n2,n3", Fault{Kind: Rot, Nodes: []int{2, 3}}},
	{"disk-slow n1 20ms", Fault{Kind: DiskSlow, Nodes: []int{1}, Amount: 20 * time.Millisecond}},
	{"disk-read-error n1,n2 2.5%", Fault{Kind: DiskReadError, Nodes: []int{1, 2}, PPM: 25_000}},
	{"disk-error n1 100%", Fault{Kind: DiskError, Nodes: []int{1}, PPM: 1_000_000}},
	{"disk-full n3", Fault{Kind: DiskFull, Nodes: []int{3}}},
	{"heal-disks", Fault{Kind: HealDisks}},
	{"recover", Fault{Kind: Recover}},
}

func TestFaultPrintsAsItParses(t *testing.T) {
	seen := map[Kind]bool{}
	for _, c := range faults {
		got, err := ParseFault(c.text)
		require.NoError(t, err, c.text)
		require.Equal(t, c.want, got, c.text)
		require.Equal(t, c.text, got.String())
		seen[got.Kind] = true
	}
	require.Len(t, seen, len(Kinds()), "a kind without an example")
}

func TestParseFaultIsFreeInItsSpaces(t *testing.T) {
	for loose, tight := range map[string]string{
		"  crash   n1 , n2 ":       "crash n1,n2",
		"partition n1, n2|n3":      "partition n1,n2 | n3",
		"cut n1->n2":               "cut n1 -> n2",
		"skew n1 1.5s":             "skew n1 +1500ms",
		"delay 100ms..100ms":       "delay 100ms",
		"jump n1 1h30m":            "jump n1 +90m",
		"drift n1 7ppm":            "drift n1 +7ppm",
		"loss 5.5000%":             "loss 5.5%",
		"heal-cut  n1 , n2  -> n3": "heal-cut n1,n2 -> n3",
	} {
		f, err := ParseFault(loose)
		require.NoError(t, err, loose)
		require.Equal(t, tight, f.String())
	}
}

func TestParseFaultRefuses(t *testing.T) {
	for text, reason := range map[string]string{
		"":                       "say what happens",
		"explode n1":             "use one of partition, heal-partition",
		"crash":                  "write it as `crash n1,n2`",
		"swap-disks n1":          "it takes two nodes",
		"swap-disks n1,n2,n3":    "it takes two nodes",
		"crash n0":               "nodes are n1 to n9",
		"crash n10":              "nodes are n1 to n9",
		"crash 1":                "nodes are n1 to n9",
		"crash n1,":              "nodes are n1 to n9",
		"crash n1,n1":            "n1 is named twice",
		"crash n1 n2":            "is no node",
		"partition n1":           "one group is no partition",
		"partition":              "write it as `partition n1,n2 | n3`",
		"partition n1 |":         "is no node",
		"partition n1,n2 | n2":   "n2 is named twice",
		"cut n1":                 "names no link",
		"cut":                    "write it as `cut n1 -> n2,n3`",
		"clog":                   "write it as `clog n1 -> n2,n3`",
		"reset n1":               "names no link",
		"cut n1 ->":              "is no node",
		"cut n1 -> n2,n1":        "n1 is on both ends",
		"heal n1":                "is too much",
		"recover n1":             "is too much",
		"loss":                   "write it as `loss [n1 -> n2,n3] 30%`",
		"loss 30":                "is no share",
		"loss 101%":              "is no share",
		"loss -1%":               "is no share",
		"loss 0.00001%":          "is no share",
		"loss .5%":               "is no share",
		"loss 1.%":               "is no share",
		"loss n1 5%":             "names no link",
		"delay 5s..1s":           "smaller end first",
		"delay -1s":              "nothing negative",
		"delay 1s..":             "is no duration",
		"skew n1":                "is no duration",
		"skew +1s":               "nodes are missing",
		"skew n1 +1001h":         "beyond 1000h",
		"drift n1 5%":            "is no rate",
		"drift n1 +500001ppm":    "at most 500000ppm",
		"disk-slow n1 -20ms":     "is negative",
		"disk-error n1":          "is no share",
		"freeze-clock n1 +200ms": "is no node",
	} {
		_, err := ParseFault(text)
		require.ErrorContains(t, err, reason, "%q", text)
	}
}

// Faults are also made in code, where the parser cannot watch.
func TestCheckRefuses(t *testing.T) {
	for _, c := range []struct {
		f      Fault
		reason string
	}{
		{Fault{Kind: kindEnd}, "is no fault"},
		{Fault{Kind: Crash, Nodes: []int{12}}, "node 12"},
		{Fault{Kind: Crash, Nodes: []int{1}, PPM: 5}, "means nothing"},
		{Fault{Kind: Crash, Nodes: []int{1}, Amount: 5}, "means nothing"},
		{Fault{Kind: Skew, Nodes: []int{1}, AmountMax: 5}, "means nothing"},
		{Fault{Kind: Crash, Nodes: []int{1}, From: []int{2}, To: []int{3}}, "none belong"},
		{Fault{Kind: Heal, Groups: [][]int{{1}, {2}}}, "none belong"},
		{Fault{Kind: Cut, From: []int{1}}, "both its ends"},
		{Fault{Kind: Partition, Groups: [][]int{{1}, {}}}, "a group is empty"},
		{Fault{Kind: Loss, PPM: PPMAll + 1}, "between 0% and 100%"},
		{Fault{Kind: Delay, Amount: 2, AmountMax: 1}, "ends before it begins"},
		{Fault{Kind: Delay, AmountMax: DurationMax + 1}, "up to 1000h"},
	} {
		require.ErrorContains(t, c.f.Check(), c.reason, "%+v", c.f)
	}
}
