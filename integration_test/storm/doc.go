// Package storm attacks a cluster of real kvs processes with all that production does to them, at once and drawn from a
// seed: kill -9, SIGSTOP, full disks, connections without end, slow and greedy clients, clocks that jump, cut networks,
// and members that are replaced by new ones. Writers at all three levels record what was acknowledged. At the end each
// of these writes is looked for at each member. Throughout, memory, disk, goroutines and descriptors of each process
// must stay within bounds.
//
// A seed repeats the order of the faults, and not the run: processes and their clocks are real. Begin with Run.
package storm
