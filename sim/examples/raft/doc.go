// Package raft is another project's consensus library in the simulator: etcd's raft (go.etcd.io/raft/v3, its RawNode),
// unmodified, as replicated registers with snapshots, learners and changes of the members.
//
// Machine (machine.go) is one node: it steps the library, keeps its log on a disk (journal.go, storage.go), applies
// what is committed (apply.go, registers.go) and answers requests (requests.go). System (system.go) starts nodes for
// the simulator, and has the clients (client.go) and the operator that changes the members (operator.go). Raft's five
// properties are checked in one file each (check_*.go), beside the judge of histories.
//
// It is an example and a test, not a store. Begin with README.md, then machine.go.
package raft
