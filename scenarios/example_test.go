package scenarios_test

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"kvs/scenarios"
	"kvs/sim/scenario"
)

func ExampleParse() {
	s, err := scenarios.Parse(`
		scenario two-nodes            # what is not said is as in Default
		about    the smallest cluster that can be split
		nodes    2
		workload keys=5 get=1 put=1 delete=0 list=0
		expect   converged, finished
		plan
		  at 2s partition n1 | n2
		  at 9s heal
	`)
	for line := range strings.Lines(s.String()) {
		fmt.Print(strings.Replace(line, " core=", "\n         core=", 1)) // as wide as a page.
	}
	fmt.Println(err)
	// Output:
	// scenario two-nodes
	// about    the smallest cluster that can be split
	// nodes    2
	// clients  5
	// duration 20s
	// settle   1m
	// workload keys=5 get=1 put=1 delete=0 list=0 cas=0 cas-delete=0 hot=20% think=20ms..200ms burst=0s value=16..256
	//          core=0% retry=0% conditions=0% level=eventual attach=any ttl=0s watchers=0 timeout=2s
	// network  delay=1ms..10ms loss=0% duplicate=0% reorder=0% corrupt=0%
	// clocks   skew=0s drift=0ppm
	// disk     sync=1ms..5ms walk=no busy=no
	// tuning   sync=5s hints=1h grace=1h rate=33554432 seeds=3 max-clock-offset=500ms forward=yes
	// voters   first=0 operator=0s churn=0% depart=0% strong=no
	// gossip   sealed=no strangers=0%
	// expect   converged, finished
	// plan
	//   at 2s partition n1 | n2
	//   at 9s heal
	// <nil>
}

func ExampleLoad() {
	s, err := scenarios.Load("split-brain")
	fmt.Println(s.Nodes, s.Plan.Events[0], err)
	_, err = scenarios.Parse("scenario x\nnods 3")
	what, _, _ := strings.Cut(err.Error(), ", ")
	fmt.Println(what, "and so on")
	// Output:
	// 5 at 2s partition n1,n2 | n3,n4,n5 <nil>
	// line 2: unknown word "nods": use scenario and so on
}

func ExampleSections_Draw() {
	swarm, _ := scenarios.Load("swarm")
	drawn := scenario.Draw(rand.New(rand.NewPCG(42, 0)), swarm)
	again, err := scenarios.Parse(drawn.String()) // what a failing seed drew can be kept as a file.
	fmt.Println(drawn.Drawn(), again.String() == drawn.String(), err)
	// Output: true true <nil>
}

func ExampleGenerator() {
	s, _ := scenarios.Load("eventual-is-not-linearizable")
	client := scenarios.NewGenerator(rand.New(rand.NewPCG(1, 1)), scenarios.Of(&s).Workload, s.Nodes, 1)
	for {
		if op := client.Next(0); op.Kind == scenarios.OpPut {
			fmt.Println(op.Kind, "to node", op.Node, scenarios.Label(op.Value))
			return
		}
	}
	// Output: put to node 1 c1.1
}
