package explored

import "kvs/sim/explore"

// Scopes returns the named experiments. The caller may change what it gets.
func Scopes() []explore.Scope { return append(rounds(), forwarded()...) }

// rounds are the experiments without a preferred proposer.
func rounds() []explore.Scope {
	put, create := explore.Op{Node: 1, Word: "put"}, explore.Op{Node: 1, Word: "create"}
	read := explore.Op{Node: 2, Word: "get", After: true}
	create2, swap := explore.Op{Node: 2, Word: "create"}, explore.Op{Node: 1, Word: "swap", After: true}
	return []explore.Scope{
		{Name: "two-writers", About: "two writes at once", Nodes: 3,
			Ops: []explore.Op{put, {Node: 2, Word: "put"}}},
		{Name: "one-write", About: "a write, and a read after it at another node", Nodes: 3,
			Ops: []explore.Op{put, read}},
		{Name: "write-beside-read", Nodes: 3,
			About: "a read while a write is under way, and one more after it elsewhere",
			Ops:   []explore.Op{put, {Node: 2, Word: "get"}, {Node: 3, Word: "get", After: true}}},
		{Name: "two-creates", About: "two compare-and-sets at once that both require that there is no value", Nodes: 3,
			Ops: []explore.Op{create, create2}},
		{Name: "creates-voter-crashes", Nodes: 3, Crashes: 1, Victims: []int{3},
			About: "two creates, the third node crashes and forgets what was not durable",
			Ops:   []explore.Op{create, create2}},
		{Name: "creates-proposer-crashes", Nodes: 3, Crashes: 1, Victims: []int{1},
			About: "two creates, the node of the first crashes and forgets what was not durable",
			Ops:   []explore.Op{create, create2}},
		{Name: "write-voter-crashes", Nodes: 3, Crashes: 1, Victims: []int{3},
			About: "a write and a read after it elsewhere, the node that took part in neither as a client crashes",
			Ops:   []explore.Op{put, read}},
		{Name: "write-reader-crashes", Nodes: 3, Crashes: 1, Victims: []int{2},
			About: "a write and a read after it, at the node that crashes",
			Ops:   []explore.Op{put, read}},
		{Name: "impatient-writer", Nodes: 3, Ticks: 1,
			About: "a write whose node's timer fires so that it asks again, beside a write elsewhere",
			Ops:   []explore.Op{put, {Node: 2, Word: "put"}}},
		{Name: "standing-ballot", Nodes: 3,
			About: "two writes of one node, the second without a PREPARE",
			Ops:   []explore.Op{put, {Node: 1, Word: "put", After: true}}},
		{Name: "standing-and-rival", Nodes: 3,
			About: "a write and a compare-and-set of one node, under two ballots, beside a create of a rival",
			Ops:   []explore.Op{put, swap, create2}},
		{Name: "standing-overtaken", Nodes: 3,
			About: "a compare-and-set under a ballot that stood before another node's write",
			Ops:   []explore.Op{put, {Node: 2, Word: "put", After: true}, swap}},
		{Name: "standing-proposer-crashes", Nodes: 2, Crashes: 1, Victims: []int{1},
			About: "a write without a PREPARE is under way when its node crashes; then another node writes",
			Ops:   []explore.Op{put, {Node: 1, Word: "put", After: true}, {Node: 2, Word: "put"}}},
		{Name: "standing-twice", Nodes: 2, Crashes: 1, Victims: []int{1},
			About: "the node crashes with a ballot that stands, perhaps used, and writes again",
			Ops:   []explore.Op{put, swap, swap, {Node: 2, Word: "get", After: true}}},
		{Name: "standing-pair", About: "standing-and-rival with two nodes, which is explored whole", Nodes: 2,
			Ops: []explore.Op{put, swap, create2}},
		{Name: "rot-pair", Nodes: 2, Crashes: 1, Victims: []int{2}, Rots: true,
			About: "two creates; of two nodes one crashes, and what it had has rotted then",
			Ops:   []explore.Op{create, create2}},
		{Name: "rot-proposer", Nodes: 2, Crashes: 1, Victims: []int{1}, Rots: true,
			About: "a write without a PREPARE beside a create elsewhere; what the proposer had rots as it crashes",
			Ops:   []explore.Op{put, swap, create2}},
		{Name: "rot-trio", Nodes: 3, Crashes: 1, Victims: []int{3}, Rots: true,
			About: "two creates; of three nodes one crashes, and what it had has rotted then",
			Ops:   []explore.Op{create, create2}},
		{Name: "rot-of-both", Nodes: 2, Crashes: 2, Victims: []int{1, 2}, Rots: true,
			About: "a create, and a read after it; both nodes may crash, and what they had has rotted then",
			Ops:   []explore.Op{create, read}},
		{Name: "standing-impatient", Nodes: 2, Ticks: 1,
			About: "a node's timer fires, so that it asks again without a PREPARE, beside a write elsewhere",
			Ops:   []explore.Op{put, swap, {Node: 2, Word: "put"}}},
	}
}

// forwarded are those with one: node 1, by the hash of the path.
func forwarded() []explore.Scope {
	put, swap := explore.Op{Node: 1, Word: "put"}, explore.Op{Node: 2, Word: "swap", After: true}
	put2, forwards := explore.Op{Node: 2, Word: "put", After: true}, []string{withForwards}
	return []explore.Scope{
		{Name: "forwarded", Nodes: 2, With: forwards,
			About: "a write that goes to the preferred proposer, beside one of that member",
			Ops:   []explore.Op{put, put2, put}},
		{Name: "forwarded-taken-over", Nodes: 2, With: forwards, Ticks: 1,
			About: "the member that forwarded a write may take it over, beside the preferred proposer",
			Ops:   []explore.Op{put, put2}},
		{Name: "forwarded-late", Nodes: 2, With: forwards, Ticks: 1,
			About: "a forwarded write is taken over and followed by another one, and may reach its proposer late",
			Ops:   []explore.Op{put, put2, {Node: 1, Word: "put", After: true}}},
		{Name: "forwarded-idle", Nodes: 2, With: forwards, Ticks: 1,
			About: "a forwarded delete of nothing may be taken over, and reach its proposer after the next write",
			Ops: []explore.Op{{Node: 1, Word: "put"}, {Node: 1, Word: "delete", After: true},
				{Node: 2, Word: "delete", After: true}, {Node: 1, Word: "put", After: true}}},
		{Name: "forwarded-swap", Nodes: 2, With: forwards, Ticks: 1,
			About: "compare-and-sets that are forwarded and perhaps taken over",
			Ops:   []explore.Op{put, put2, swap}},
		{Name: "forwarded-proposer-crashes", Nodes: 2, With: forwards, Ticks: 1, Crashes: 1, Victims: []int{1},
			About: "the preferred proposer crashes with a forwarded write under way, which is taken over",
			Ops:   []explore.Op{put, put2}},
		{Name: "forwarded-mixed", Nodes: 2, With: []string{withForwards, withMixed}, Ticks: 1,
			About: "a forwarded write beside an eventual one",
			Ops:   []explore.Op{put, put2, {Node: 2, Word: "eventual"}}},
		{Name: "forwarded-voters", Nodes: 3, With: []string{withForwards, withVoters},
			About: "a forwarded write beside a change of the voters",
			Ops:   []explore.Op{put, put2, {Node: 1, Word: "demote"}}},
	}
}
