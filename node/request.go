package node

import (
	"kvs/node/contract"
	"kvs/node/invariant"
	"kvs/node/slot"
)

// request runs one client operation.
func (n *Node) request(r *contract.Request) {
	if slot.CheckPath(r.Path) != nil || r.Level == contract.DefaultLevel ||
		len(r.Value) > slot.ValueBytesHardMax || len(r.ContentType) > slot.ContentTypeBytesMax {
		// asked here, so that the values do not go to the heap each time.
		invariant.That(false, "the edge let a bad request in", "path", r.Path, "level", r.Level, "bytes", len(r.Value))
	}
	if r.Condition.Kind != contract.Unconditional && (r.Level != contract.Linearizable || r.Op == contract.OpGet) {
		invariant.That(false, "a condition where none can be kept", "path", r.Path, "level", r.Level)
	}
	if r.Deadline != 0 && n.Now.Mono > r.Deadline {
		// As after this process had been stopped for a while: the client has given up, and wants no write any more that
		// comes after those that were acknowledged meanwhile.
		n.Refuse(r, contract.CodeOverloaded, "the time of this request was up before it was begun")
		return
	}
	if n.syncing() {
		n.Refuse(r, contract.CodeSyncing,
			"this node does not serve yet ("+n.syncingReason()+"): ask another member")
		return
	}
	if r.Op == contract.OpGet {
		n.Counters.Reads++
		n.begin(r)
		return
	}
	if r.Op == contract.OpPromote || r.Op == contract.OpDemote {
		n.configuration.VoterRequest(r)
		return
	}
	if r.Op == contract.OpPolicy {
		n.configuration.PolicyRequest(r)
		return
	}
	n.Counters.Writes++
	if code, detail, refused := n.modes.RefusesWrite(r.Op); refused {
		n.Refuse(r, code, detail)
		return
	}
	if r.Level != contract.Linearizable && n.configuration.Strong(r.Path) {
		strong := *r
		strong.Level = contract.Linearizable
		r = &strong
	}
	n.begin(r)
}

// begin hands an operation to the machine of its consistency level.
func (n *Node) begin(r *contract.Request) {
	if r.Level == contract.Linearizable {
		n.register.Begin(r)
		return
	}
	n.quorum.Begin(r)
}
