package swim_test

import (
	"fmt"
	"math/rand/v2"

	"kvs/node/swim"
)

// Two members, and a world that delivers everything at once. A real one waits until Machine.Next for the next Tick.
func Example() {
	start := func(id swim.ID, name string) *swim.Machine {
		m, err := swim.New(swim.Options{
			Config: swim.DefaultConfig(),
			Self:   swim.Member{ID: id, Name: name, Addr: name + ":7000", Born: 1, Incarnation: 1},
			Seeds:  []string{"ann:7000"}, // a seed that is our own address is skipped.
			Rand:   rand.New(rand.NewPCG(1, uint64(id))),
		})
		if err != nil {
			panic(err)
		}
		return m
	}
	ann, bob := start(1, "ann"), start(2, "bob")

	var fromBob, fromAnn swim.Output
	bob.Tick(bob.Next(), &fromBob)
	for _, s := range fromBob.Sends {
		if err := ann.Stream(0, swim.Speaker{}, s.Data, &fromAnn); err != nil {
			fmt.Println(err)
		}
	}
	for _, s := range fromAnn.Sends {
		if err := bob.Stream(0, swim.Speaker{}, s.Data, &fromBob); err != nil {
			fmt.Println(err)
		}
	}
	for _, m := range bob.Members() {
		fmt.Println(m.ID, m.Name, m.State)
	}
	// Output:
	// 0000000000000001 ann alive
	// 0000000000000002 bob alive
}
