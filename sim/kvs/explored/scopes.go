package explored

import "kvs/sim/explore"

// Scopes returns the named experiments. The caller may change what it gets.
func Scopes() []explore.Scope {
	put, create := explore.Op{Node: 1, Word: "put"}, explore.Op{Node: 1, Word: "create"}
	read := explore.Op{Node: 2, Word: "get", After: true}
	create2 := explore.Op{Node: 2, Word: "create"}
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
	}
}
