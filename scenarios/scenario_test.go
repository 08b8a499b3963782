package scenarios

import (
	"os"
	"path"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/chaos"
	"kvs/sim/scenario"
)

func TestEmbeddedScenarios(t *testing.T) {
	names := Names()
	for _, want := range []string{
		"quiet", "swarm", "split-brain", "rolling-restart", "clock-skew", "lossy-network", "flapping-partition",
		"single-node-linearizable", "eventual-is-not-linearizable",
	} {
		require.Contains(t, names, want)
	}
	require.IsIncreasing(t, names)
	for _, name := range names {
		s, err := Load(name)
		require.NoError(t, err)
		require.Equal(t, path.Base(name), s.Name, "a scenario is named as its file")
		require.NotEmpty(t, s.About, name)
		require.NoError(t, s.Validate())
		back, err := Parse(s.String())
		require.NoError(t, err, "%s\n%s", name, s)
		require.Equal(t, s, back)
		require.Equal(t, s.String(), back.String())
	}
}

// The plans kept by hand leave nothing to the recovery at the end that they did not mean to: nodes are back and the
// network is whole before it.
func TestEmbeddedPlansEnd(t *testing.T) {
	for _, name := range Names() {
		s, err := Load(name)
		require.NoError(t, err)
		links := chaos.NewLinks(s.Nodes, chaos.Link{})
		for _, e := range s.Plan.Events {
			links.Apply(e.Fault)
		}
		require.Equal(t, chaos.NewLinks(s.Nodes, chaos.Link{}), links, name)
	}
}

func TestLoadFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "mine.scenario")
	_, err := Library.LoadFile(file)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoError(t, os.WriteFile(file, []byte("scenario mine\nnodes 3\nnoodles 4\n"), 0o600))
	_, err = Library.LoadFile(file)
	require.ErrorContains(t, err, "mine.scenario: line 3: unknown word \"noodles\"")
	require.NoError(t, os.WriteFile(file, []byte("scenario mine\nexpect finished\n"), 0o600))
	s, err := Library.LoadFile(file)
	require.NoError(t, err)
	want := Default()
	want.Name, want.Expect = "mine", []scenario.Promise{Finished}
	require.Equal(t, want, s)
}

func TestLoadUnknown(t *testing.T) {
	for _, name := range []string{"nonsense", "", "../scenarios/quiet", "LEDGER"} {
		_, err := Load(name)
		require.ErrorContains(t, err, "use one of ", name)
	}
}

const whole = `scenario whole
about    everything that can be said
seed     42
nodes    5
clients  10
duration 20s
settle   1m
workload keys=20 get=50 put=40 delete=5 list=5 cas=0 cas-delete=0 hot=20% think=20ms..200ms burst=0s value=16..256 ` +
	`core=0% retry=0% conditions=0% level=quorum attach=own ttl=0s watchers=0 timeout=2s
network  delay=1ms..10ms loss=0.5% duplicate=1% reorder=2% corrupt=0.0001%
clocks   skew=0s..500ms drift=0ppm..100ppm
disk     sync=1ms..5ms walk=no busy=no
tuning   sync=5s hints=1h grace=1h rate=33554432 seeds=3 max-clock-offset=500ms forward=yes
voters   first=0 operator=0s churn=0% depart=0% strong=no
gossip   sealed=no strangers=0%
expect   converged, no-lost-write, no-resurrection, hlc-monotone, membership-agreed, finished, linearizable
plan
  at 2s partition n1,n2 | n3,n4,n5
  at 9s heal
`

const swarming = `scenario swarming
swarm
nodes    3
clients  5
duration 20s
settle   1m
workload keys=20 get=50 put=40 delete=5 list=5 cas=0 cas-delete=0 hot=20% think=0s burst=0s value=16 ` +
	`core=0% retry=0% conditions=0% level=eventual attach=any ttl=0s watchers=0 timeout=2s
network  delay=0s loss=0% duplicate=0% reorder=0% corrupt=0%
clocks   skew=0s drift=0ppm
disk     sync=1ms walk=no busy=no
tuning   sync=5s hints=1h grace=1h rate=33554432 seeds=3 max-clock-offset=500ms forward=yes
voters   first=0 operator=0s churn=0% depart=0% strong=no
gossip   sealed=no strangers=0%
expect   not-linearizable
plan random kinds=crash,pause every=2s length=500ms..5s majority=keep patterns=no
`

func TestPrintsAsItParses(t *testing.T) {
	for _, text := range []string{whole, swarming} {
		s, err := Parse(text)
		require.NoError(t, err)
		require.Equal(t, text, s.String())
	}
}

func TestParseIsFreeInOrderAndSpaces(t *testing.T) {
	s, err := Parse("# mine\n\n scenario  x # really\nexpect finished ,converged\n\tnodes\t2\nplan   random   " +
		"kinds=pause,crash  every=1s\n# end\n")
	require.NoError(t, err)
	require.Equal(t, []scenario.Promise{Converged, Finished}, s.Expect)
	require.Equal(t, 2, s.Nodes)
	require.Equal(t, []chaos.Kind{chaos.Crash, chaos.Pause}, s.Random.Kinds)

	s, err = Parse("scenario x\nexpect finished\nplan random")
	require.NoError(t, err)
	require.Equal(t, scenario.DefaultRandom(), s.Random)
	require.Contains(t, s.String(), "kinds=all")
	s, err = Parse("scenario x\nexpect finished\nplan random kinds=none")
	require.NoError(t, err)
	require.Empty(t, s.Random.Kinds)
	require.Contains(t, s.String(), "kinds=none")
}

// Strangers are told from members by the seal alone, and a member that proves its name keeps it.
func TestSealedGossip(t *testing.T) {
	s, err := Parse("scenario x\nexpect finished\ngossip sealed=yes strangers=5%")
	require.NoError(t, err)
	require.Equal(t, Gossip{Sealed: true, Strangers: 50_000}, Of(&s).Gossip)
	for lines, reason := range map[string]string{
		"gossip strangers=5%":                              "strangers need sealed=yes",
		"gossip sealed=yes\nplan\n at 1s swap-disks n1,n2": "leave out swap-disks",
		"gossip sealed=yes\nplan random":                   "leave out swap-disks",
	} {
		_, err := Parse("scenario x\nexpect finished\n" + lines)
		require.ErrorContains(t, err, reason)
	}
}

func TestParseRefuses(t *testing.T) {
	for text, reason := range map[string]string{
		"": `scenario ""`,
		"nodes 3": "line 1: \"nodes 3\": a file begins with " +
			"`scenario NAME`",
		"swarm\nscenario x":            "line 1: \"swarm\": a file begins with",
		"scenario":                     "line 1: scenario: say what",
		"scenario x\nscenario y":       "line 2: scenario is given twice",
		"scenario x\nnodes 3\nnodes 4": "line 3: nodes is given twice",
		"scenario x\n\nnoodles 3": "line 3: unknown word \"noodles\": use scenario, " +
			"about, seed, nodes",
		"scenario x\nnodes":        "line 2: nodes: say what",
		"scenario x\nnodes three":  "line 2: nodes: \"three\" is no whole number",
		"scenario x\nnodes -1":     "is no whole number",
		"scenario x\nseed 0":       "line 2: seed: \"0\" is no seed",
		"scenario x\nduration 5":   "line 2: duration: \"5\" is no duration",
		"scenario x\nswarm\nswarm": "line 3: \"swarm\": swarm stands once",
		"scenario x\nswarm bees":   "line 2: \"swarm bees\": swarm stands once",
		"scenario x\nworkload kees=5": "line 2: workload: unknown option \"kees\": " +
			"use keys, get",
		"scenario x\nworkload keys": "line 2: workload: \"keys\": options are " +
			"written key=value",
		"scenario x\nworkload keys=5 keys=6": "keys is given twice",
		"scenario x\nworkload hot=2":         "hot: \"2\" is no share",
		"scenario x\nworkload level=strong":  "unknown consistency level \"strong\"",
		"scenario x\nworkload attach=two": "unknown way to attach \"two\": use one of any, " +
			"one, own, apart",
		"scenario x\nworkload value=9..x":        "\"x\" is no whole number",
		"scenario x\nclocks drift=5":             "\"5\" is no rate",
		"scenario x\nexpect fame":                "line 2: expect: unknown promise \"fame\"",
		"scenario x\nexpect finished, finished":  "finished is named twice",
		"scenario x\nexpect finished,":           "unknown promise \"\"",
		"scenario x\nplan b":                     "line 2: plan b: write faults on the lines below",
		"scenario x\nplan random kinds=heal":     "heal: name each kind that begins a fault once",
		"scenario x\nplan random kinds=cut,cut":  "cut: name each kind that begins a fault once",
		"scenario x\nplan random kinds=boom":     "unknown fault \"boom\"",
		"scenario x\nplan random majority=maybe": "\"maybe\": write lose or keep",
		"scenario x\nplan random\nat 1s heal":    "line 3: \"at 1s heal\": nothing follows `plan random`",
		"scenario x\nplan\nat 1s heal\nnodes 3":  "line 4: \"nodes 3\": a line of a plan reads like",
		"scenario x\nplan\n\nat 1s crash n1 now": "line 4: crash:",
		"scenario x\nexpect finished\nplan\nat 1s restart n1": "scenario \"x\": plan: `at 1s restart n1`: " +
			"n1 is up then",
	} {
		_, err := Parse(text)
		require.ErrorContains(t, err, reason, "%q", text)
	}
}

func TestValidateRefuses(t *testing.T) {
	for line, reason := range map[string]string{
		"nodes 0":                               "nodes 0: use 1 to 9",
		"nodes 10":                              "nodes 10: use 1 to 9",
		"clients 0":                             "clients 0: use 1 to 100",
		"about two  spaces":                     "about: one line",
		"duration 0s":                           "duration 0s: use more than 0s",
		"settle 25h":                            "settle 25h: use more than 0s and at most 24h",
		"core 25h":                              "core 25h: use 0s to 24h",
		"workload keys=0":                       "keys=0: use 1 to",
		"workload get=0 put=0 delete=0 list=0":  "no operation has a weight",
		"workload get=2000000":                  "weight 2000000: use 0 to",
		"workload value=0":                      "value=0..0: use 1 to",
		"workload value=5..4":                   "value=5..4: use 1 to",
		"workload value=5..9999999":             "use 1 to 1048576 bytes",
		"workload timeout=0s":                   "timeout: use more than 0s",
		"workload think=2s..1s":                 "write the smaller end first",
		"workload core=101%":                    "core: \"101%\" is no share",
		"tuning rate=0":                         "tuning: rate=0: use 1 or more",
		"tuning grace=1ms":                      "tuning: grace=1ms: use 100ms to",
		"tuning sync=1ms":                       "tuning: sync=1ms: use 1s to",
		"clocks drift=5ppm..1ppm":               "drift: use 0ppm to",
		"clocks drift=-5ppm":                    "drift: use 0ppm to",
		"expect linearizable, not-linearizable": "cannot both hold",
		"plan random every=0s":                  "plan: every=0s",
		"plan random every=1ms length=1us":      "plan: length=1us",
		"plan\nat 21s heal":                     "`at 21s heal` comes after the 20s that the faults may last",
		"plan\nat 1s crash n4":                  "there is no n4",
	} {
		head := "scenario x\n"
		if line[0] != 'e' {
			head += "expect finished\n"
		}
		_, err := Parse(head + line)
		require.ErrorContains(t, err, reason, line)
	}
	_, err := Parse("scenario x")
	require.ErrorContains(t, err, "a scenario that expects nothing cannot fail")
	for _, name := range []string{"Big", "a_b", "-a", "a b", "a/b"} {
		_, err := Parse("scenario " + name + "\nexpect finished")
		require.ErrorContains(t, err, "the name", name)
	}
}

// Scenarios are also made in code, where the parser cannot watch.
func TestValidateWatchesScenariosMadeInCode(t *testing.T) {
	for reason, spoil := range map[string]func(*scenario.Scenario){
		"either random or a list": func(s *scenario.Scenario) { s.Random = scenario.DefaultRandom() },
		"name promises once":      func(s *scenario.Scenario) { s.Expect = []scenario.Promise{Finished, Converged} },
		"name kinds once": func(s *scenario.Scenario) {
			s.Plan, s.Random = chaos.Plan{}, &scenario.Random{Kinds: []chaos.Kind{chaos.Crash, chaos.Crash}}
		},
		"share is between":    func(s *scenario.Scenario) { s.Network.Loss = -1 },
		"network: delay":      func(s *scenario.Scenario) { s.Network.DelayMax = 0 },
		"clocks: skew":        func(s *scenario.Scenario) { s.Clocks.Skew = -1 },
		"disk: sync":          func(s *scenario.Scenario) { s.Disk.SyncMax = 0 },
		"level: use eventual": func(s *scenario.Scenario) { Of(s).Workload.Level = 0 },
		"attach: use one of":  func(s *scenario.Scenario) { Of(s).Workload.Attach = attachEnd },
		"hot: use 0% to 100%": func(s *scenario.Scenario) { Of(s).Workload.Hot = -1 },
		"is before the event": func(s *scenario.Scenario) { s.Plan.Events[0].At, s.Plan.Events[1].At = 5, 4 },
	} {
		s, err := Parse(whole)
		require.NoError(t, err)
		spoil(&s)
		require.ErrorContains(t, s.Validate(), reason)
	}
}
