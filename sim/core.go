package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"kvs/chaos"
	"kvs/node"
	"kvs/node/swim"
	"kvs/scenarios"
)

// The core is what TigerBeetle's simulator calls so (docs/about/vopr.md, "liveness mode"): after the faults a majority of the nodes is healed
// for good, all others stay as broken as can be, and the majority alone has to get everything done. A protocol that waits for somebody
// who may never come back is found out here, not when everybody returns.

// core is the state of that phase.
type core struct {
	nodes []int // sorted.
	until time.Duration
}

// fateOfOthers is what becomes of a node outside the core.
type fateOfOthers int

const (
	otherCrashed fateOfOthers = iota // it is down.
	otherCut                         // it runs, and nobody hears it, nor it them.
	otherMute                        // it hears and cannot speak.
	otherDeaf                        // it speaks and cannot hear.
	otherFates
)

// beginCore heals a random majority for good, and reports false when there is none that could promise anything.
func (w *world) beginCore() bool {
	rng := w.derive(streamCore)
	nodes := w.drawCore(rng)
	if nodes == nil {
		return false
	}
	w.recovering = true
	w.core = &core{nodes: nodes, until: w.now + w.sc.Core}
	apply := func(f chaos.Fault) {
		if err := w.Apply(f); err != nil {
			panic("sim: " + err.Error())
		}
	}
	apply(chaos.Fault{Kind: chaos.Heal})
	for n := 1; n <= w.nodes; n++ {
		if slices.Contains(nodes, n) {
			w.repair(&w.replicas[n])
			continue
		}
		others := without(w.nodes, n)
		switch fateOfOthers(rng.IntN(int(otherFates))) {
		case otherCrashed:
			if w.replicas[n].node != nil {
				apply(chaos.Fault{Kind: chaos.Crash, Nodes: []int{n}})
			}
			continue
		case otherCut:
			apply(chaos.Fault{Kind: chaos.Cut, From: []int{n}, To: others})
			apply(chaos.Fault{Kind: chaos.Cut, From: others, To: []int{n}})
		case otherMute:
			apply(chaos.Fault{Kind: chaos.Cut, From: []int{n}, To: others})
		case otherDeaf:
			apply(chaos.Fault{Kind: chaos.Cut, From: others, To: []int{n}})
		}
	}
	w.probeCore()
	w.at(w.now+verifyEvery, event{kind: eventVerify})
	return true
}

func namesOf(nodes []int) string {
	var out []string
	for _, n := range nodes {
		out = append(out, nodeName(n))
	}
	return strings.Join(out, ",")
}

func without(nodes, n int) (out []int) {
	for k := 1; k <= nodes; k++ {
		if k != n {
			out = append(out, k)
		}
	}
	return out
}

// drawCore draws a majority of the nodes that is one of the voters, too, of every configuration that is known anywhere. Where operations
// need voters, the configuration must be known to a majority of them: nobody else could teach it to the rest.
func (w *world) drawCore(rng *rand.Rand) []int {
	var configs []*node.Config
	knowing := 0
	for n := 1; n <= w.nodes; n++ {
		r := &w.replicas[n]
		if r.node == nil || r.node.Config() == nil {
			continue
		}
		knowing++
		configs = append(configs, r.node.Config())
	}
	if w.sc.Workload.Level != node.Eventual && knowing <= w.nodes/2 {
		return nil
	}
	var nodes []int
	for _, i := range rng.Perm(w.nodes) {
		nodes = append(nodes, i+1)
		if len(nodes) > w.nodes/2 && w.holdsMajorities(nodes, configs) && rng.IntN(3) > 0 {
			break
		}
	}
	slices.Sort(nodes)
	return nodes
}

func (w *world) holdsMajorities(nodes []int, configs []*node.Config) bool {
	return !slices.ContainsFunc(configs, func(c *node.Config) bool {
		voters := 0
		for _, n := range nodes {
			if slices.Contains(c.Voters, w.replicas[n].id) {
				voters++
			}
		}
		return voters < c.Majority()
	})
}

// probeCore has each path of the workload read and then written through some member of the core, again and again until that succeeds,
// and a probe for each of the core prove that it serves. These operations are in the history.
func (w *world) probeCore() {
	// Several clients a member: where many messages are lost, one would not get through all paths in time.
	scripts := make([][]scenarios.Op, len(w.core.nodes)*coreClients)
	count := 0
	for i := range w.ledger.paths {
		path := w.ledger.paths[i].path
		if isProbe(path) {
			continue
		}
		k := count % len(scripts)
		count++
		scripts[k] = append(scripts[k], scenarios.Op{Kind: scenarios.OpGet, Path: path, Node: w.core.nodes[k%len(w.core.nodes)]},
			scenarios.Op{Kind: scenarios.OpPut, Path: path, Node: w.core.nodes[k%len(w.core.nodes)]})
	}
	for _, n := range w.core.nodes {
		w.addProbe(n, w.sc.Clients+w.nodes+n)
	}
	for i, script := range scripts {
		if len(script) == 0 {
			continue
		}
		n := w.core.nodes[i%len(w.core.nodes)]
		number := w.sc.Clients + (2+i/len(w.core.nodes))*w.nodes + n
		w.clients = append(w.clients, client{number: number, process: w.recorder.NewProcess(), script: script, scripted: true, write: noWrite})
		w.plan(int32(len(w.clients) - 1))
	}
}

// coreClients is how many clients each member of a core has for the paths.
const coreClients = 4

// coreUnsettled says what the core still has to do; empty: nothing.
func (w *world) coreUnsettled() string {
	members := w.core.nodes
	for i := range w.clients {
		if c := &w.clients[i]; slices.Contains(members, c.op.Node) && (c.busy || (c.probe || c.scripted) && !c.done) {
			return fmt.Sprintf("client %d waits for a %s of %q at n%d", c.number, c.op.Kind, c.op.Path, c.op.Node)
		}
	}
	for _, n := range members {
		r := &w.replicas[n]
		if r.node == nil {
			return fmt.Sprintf("n%d is down", n)
		}
		if len(r.disk.waiting) > 0 {
			return fmt.Sprintf("n%d has not stored everything", n)
		}
		if w.digest(n) != w.digest(members[0]) {
			return fmt.Sprintf("n%d and n%d hold different records", members[0], n)
		}
		alive := 0
		for _, m := range r.node.Status().Members {
			if m.State == swim.Alive && w.isCore(m.ID) {
				alive++
			}
		}
		if alive < len(members) {
			return fmt.Sprintf("n%d takes %d of the %d for alive", n, alive, len(members))
		}
	}
	return ""
}

func (w *world) isCore(id node.ID) bool {
	return slices.ContainsFunc(w.core.nodes, func(n int) bool { return w.replicas[n].id == id })
}

// verifyCore ends the phase when the core has done everything, or when its time is up.
func (w *world) verifyCore() {
	left := w.coreUnsettled()
	if left != "" && w.now < w.core.until {
		w.at(w.now+verifyEvery, event{kind: eventVerify})
		return
	}
	if left != "" {
		w.violate(Violation{Promise: scenarios.Finished.String(), Detail: fmt.Sprintf("%s after the faults ended for %s, a majority, it is not over there: %s\n  %s",
			chaos.FormatDuration(w.sc.Core), namesOf(w.core.nodes), left, w.holdup(w.core.nodes))})
	}
	w.core = nil
	w.beginLiveness()
}
