package chaos_test

import (
	"fmt"
	"math/rand/v2"
	"time"

	"kvs/chaos"
)

func ExampleParsePlan() {
	plan, err := chaos.ParsePlan(`
		at 4s crash n1                   # lines may be in any order
		at 2s partition n1,n2 | n3
		at 3s skew n2 +1.5s
		at 6s restart n1
		at 8s heal
	`)
	fmt.Print(plan)
	fmt.Println(err)
	// Output:
	// at 2s partition n1,n2 | n3
	// at 3s skew n2 +1500ms
	// at 4s crash n1
	// at 6s restart n1
	// at 8s heal
	// <nil>
}

func ExampleValidate() {
	plan, _ := chaos.ParsePlan("at 1s crash n1\nat 2s crash n1")
	fmt.Println(chaos.Validate(plan, 3))
	// Output: `at 2s crash n1`: n1 is down already then: restart it before
}

func ExampleGenerate() {
	plan := chaos.Generate(rand.New(rand.NewPCG(7, 0)), chaos.GenOptions{
		Nodes: 3, Duration: 10 * time.Second, Kinds: []chaos.Kind{chaos.Crash, chaos.Jump},
		Every: 3 * time.Second, Length: time.Second, LengthMax: 2 * time.Second, KeepMajority: true,
	})
	fmt.Println(chaos.Validate(plan, 3), len(plan.Events) > 0)
	// Output: <nil> true
}

func ExampleLinks() {
	links := chaos.NewLinks(3, chaos.Link{Delay: time.Millisecond, DelayMax: 2 * time.Millisecond})
	for _, text := range []string{"cut n1 -> n2", "loss 30%"} {
		fault, _ := chaos.ParseFault(text)
		links.Apply(fault)
	}
	fmt.Println(links.Blocked(1, 2), links.Blocked(2, 1), chaos.FormatRatio(links.Link(2, 1).Loss))
	// Output: true false 30%
}
