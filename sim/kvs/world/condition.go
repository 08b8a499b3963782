package world

import (
	"math/rand/v2"
	"time"

	"kvs/chaos"
	"kvs/linearize"
	"kvs/node"
	"kvs/scenarios"
	"kvs/sim"
)

// The conditions of compare-and-sets. Most name the one version that the client saw last. A share of them, which the
// workload names, says it otherwise, as HTTP allows: several versions, of which that is the only one that can still be
// there, among those that the client knows to be over; or any version at all.

// names is how a condition says what it wants to find. The zero value: the version that the client saw last.
type names struct {
	any  bool           // any live value.
	also []node.Version // beside the one that the client saw last.
}

// namesMax is how many versions a condition names at most.
const namesMax = 4

// condition of a compare-and-set that wants to find k.
func (n *names) condition(k *known) node.Condition {
	switch {
	case n.any:
		return node.Condition{Kind: node.IfMatch, Any: true}
	case !k.found:
		return node.Condition{Kind: node.IfNoneMatch, Any: true}
	}
	versions := append([]node.Version(nil), n.also...)
	return node.Condition{Kind: node.IfMatch, Versions: append(versions, k.version)}
}

// WantsAny reports whether a call is a write that wants to find any live value.
func (c *Call) WantsAny() bool { return c.names.any }

// kind is what the judge takes a write for that wants to find any value. It knows no such condition: one that was
// applied is a plain write to it, and one that was refused is a read that found nothing, see anyRefused.
func (n *names) kind(k scenarios.OpKind) linearize.Kind {
	if k == scenarios.OpCASDelete {
		return linearize.Delete
	}
	return linearize.Put
}

// drawNames draws how the open compare-and-set says what it wants to find. It has a stream of randomness of its own:
// whatever else a seed draws stays what it is without such conditions.
func (c *Client) drawNames() {
	share := c.w.Own.Workload.Conditions
	if share == 0 {
		return
	}
	rng := rand.New(rand.NewPCG(uint64(c.number), uint64(c.count)))
	switch {
	case !chaos.Chance(rng, share):
	case rng.IntN(2) == 0:
		c.names.any = true
	case c.expect.found:
		c.names.also = c.past[c.Op.Path]
	}
}

// over takes in that a version is not on a path any more, and never will be again.
func (c *Client) over(path string, v node.Version) {
	if c.past == nil {
		c.past = make(map[string][]node.Version)
	}
	list := append(append([]node.Version(nil), c.past[path]...), v) // calls under way hold the former list.
	c.past[path] = list[max(0, len(list)-namesMax+1):]
}

// anyRefused is a write that wanted to find any value, and was told that there is none.
type anyRefused struct {
	path, input string
	at          time.Duration
}

// refused keeps what a refusal says for the judge: see Complete.
func (c *Client) refused(a *sim.Answer, k *Answer) {
	a.History = linearize.Answer{}
	if k.Found && !k.hidden {
		c.w.Violate(sim.Violation{Promise: sim.PromiseWorks, Node: c.Op.Node, Path: c.Op.Path,
			Detail: "refuses a write that wants to find any value, and shows one: " + a.Output})
	}
	if c.w.refusals == nil {
		c.w.refusals = make(map[anyRefused]bool)
	}
	c.w.refusals[anyRefused{c.Op.Path, c.history.Input, c.w.Now()}] = !k.hidden
}

// withRefusals makes of refused writes that wanted to find any value what they tell: that there was none.
func (w *World) withRefusals(h *linearize.History) {
	for i := range h.Ops {
		o := &h.Ops[i]
		told, is := w.refusals[anyRefused{o.Path, o.Input, time.Duration(o.Return)}]
		if !is || o.Kind != linearize.Put && o.Kind != linearize.Delete || o.Version != "" {
			continue // a plain delete may end at the same moment: it has a version, unless it found nothing either.
		}
		if !told {
			o.Status = linearize.Fail
			continue
		}
		o.Kind, o.Input, o.Found, o.Output = linearize.Get, "", false, ""
	}
}
