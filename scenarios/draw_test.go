package scenarios

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/chaos"
	"kvs/sim/scenario"
)

func draw(seed uint64, s scenario.Scenario) scenario.Scenario {
	return scenario.Draw(rand.New(rand.NewPCG(seed, 0)), s)
}

func TestSwarmDrawsWithinItsBounds(t *testing.T) {
	swarm, err := Load("swarm")
	require.NoError(t, err)
	require.False(t, swarm.Drawn())
	for seed := range uint64(1000) {
		s := draw(seed, swarm)
		require.True(t, s.Drawn())
		require.NoError(t, s.Validate(), "seed %d\n%s", seed, s)
		back, err := Parse(s.String())
		require.NoError(t, err, "seed %d\n%s", seed, s)
		require.Equal(t, s, back, "seed %d: a failing run can be kept", seed)

		require.LessOrEqual(t, s.Nodes, swarm.Nodes)
		require.LessOrEqual(t, s.Clients, swarm.Clients)
		require.LessOrEqual(t, Of(&s).Workload.Keys, Of(&swarm).Workload.Keys)
		require.LessOrEqual(t, Of(&s).Workload.ThinkMax, Of(&swarm).Workload.ThinkMax)
		require.LessOrEqual(t, Of(&s).Workload.ValueMax, Of(&swarm).Workload.ValueMax)
		require.LessOrEqual(t, Of(&s).Workload.Hot, Of(&swarm).Workload.Hot)
		require.Positive(t, Of(&s).Workload.Put)
		require.GreaterOrEqual(t, s.Network.Delay, swarm.Network.Delay)
		require.LessOrEqual(t, s.Network.DelayMax, swarm.Network.DelayMax)
		require.LessOrEqual(t, s.Network.Loss, swarm.Network.Loss)
		require.LessOrEqual(t, s.Clocks.SkewMax, swarm.Clocks.SkewMax)
		require.LessOrEqual(t, s.Clocks.DriftMax, swarm.Clocks.DriftMax)
		require.LessOrEqual(t, s.Disk.SyncMax, swarm.Disk.SyncMax)
		require.Equal(t, swarm.Expect, s.Expect)
		require.Equal(t, swarm.Duration, s.Duration)
	}
}

func TestSwarmDrawsAllThereIs(t *testing.T) {
	swarm, err := Load("swarm")
	require.NoError(t, err)
	nodes, attach, kinds := map[int]int{}, map[Attach]int{}, map[chaos.Kind]int{}
	lossless, quiet, noDeletes, events := 0, 0, 0, 0
	for seed := range uint64(500) {
		s := draw(seed, swarm)
		nodes[s.Nodes]++
		attach[Of(&s).Workload.Attach]++
		for _, k := range s.Plan.Kinds() {
			kinds[k]++
		}
		if s.Network.Loss == 0 {
			lossless++
		}
		if Of(&s).Workload.Delete == 0 {
			noDeletes++
		}
		if len(s.Plan.Events) == 0 {
			quiet++
		}
		events += len(s.Plan.Events)
	}
	require.Len(t, nodes, swarm.Nodes)
	require.Len(t, attach, 3)
	for _, k := range swarm.Random.Kinds {
		require.Greater(t, kinds[k], 100, k)
		require.Less(t, kinds[k], 300, k)
	}
	require.InDelta(t, 250, lossless, 60)
	require.InDelta(t, 125, noDeletes, 50)
	require.Less(t, quiet, 50)
	require.Greater(t, events, 500*20)
}

func TestDrawIsDeterministicAndLeavesItsTemplateAlone(t *testing.T) {
	swarm, err := Load("swarm")
	require.NoError(t, err)
	before := swarm.String()
	require.Equal(t, draw(42, swarm), draw(42, swarm))
	require.NotEqual(t, draw(42, swarm), draw(43, swarm))
	require.Equal(t, before, swarm.String())
}

// What a drawn scenario says is all there is to say: drawing it again changes nothing and uses up no randomness.
func TestDrawnStaysAsItIs(t *testing.T) {
	swarm, err := Load("swarm")
	require.NoError(t, err)
	s := draw(42, swarm)
	rng := rand.New(rand.NewPCG(7, 7))
	again := scenario.Draw(rng, s)
	require.Equal(t, s, again)
	require.Equal(t, rand.New(rand.NewPCG(7, 7)).Uint64(), rng.Uint64())
	again.Plan.Events[0].At = time.Hour
	again.Expect[0] = Linearizable
	require.Equal(t, draw(42, swarm), s, "shares nothing that can be written to")
}

func TestDrawMakesRandomPlans(t *testing.T) {
	template,
		err := Parse("scenario x\nnodes 5\nclients 4\nexpect finished\nplan random kinds=crash every=1s majority=keep")
	require.NoError(t, err)
	require.False(t, template.Drawn())
	s := draw(1, template)
	require.True(t, s.Drawn())
	require.Equal(t, []chaos.Kind{chaos.Crash, chaos.Restart}, s.Plan.Kinds())
	s.Plan, template.Random = chaos.Plan{}, nil
	require.Equal(t, template, s, "nothing else is drawn")
}

func TestEverythingDrawsAllThereIs(t *testing.T) {
	everything, err := Load("everything")
	require.NoError(t, err)
	nodes, kinds := map[int]int{}, map[chaos.Kind]int{}
	churn, depart, ends, busy, founders := 0, 0, 0, 0, 0
	for seed := range uint64(600) {
		s := draw(seed, everything)
		require.NoError(t, s.Validate(), "seed %d\n%s", seed, s)
		back, err := Parse(s.String())
		require.NoError(t, err)
		require.Equal(t, s, back)
		require.True(t, Of(&s).Workload.Mixed)
		require.GreaterOrEqual(t, Of(&s).Workload.Keys, 4, "a path of each level")
		nodes[s.Nodes]++
		for _, k := range s.Plan.Kinds() {
			kinds[k]++
		}
		for count, on := range map[*int]bool{
			&churn: Of(&s).Voters.Churn > 0, &depart: Of(&s).Voters.Depart > 0, &ends: Of(&s).Workload.TTLMax > 0,
			&busy: s.Disk.Busy, &founders: Of(&s).Voters.First == 0,
		} {
			if on {
				*count++
			}
		}
	}
	require.Len(t, nodes, 9)
	for _, k := range chaos.Disturbances() {
		require.Greater(t, kinds[k], 50, k)
	}
	for name, count := range map[string]int{"churn": churn, "depart": depart, "ends": ends, "busy": busy,
		"founders": founders} {
		require.InDelta(t, 300, count, 60, name)
	}
}
