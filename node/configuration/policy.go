package configuration

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"kvs/node/contract"
	"kvs/node/slot"
	"kvs/node/step"
	"kvs/node/voting"
	"kvs/node/wire"
)

// Strong prefixes. The configuration names the prefixes of paths under which every write is run linearizably, whatever
// level was asked for, so that no path below mixes levels by mistake. The list is changed as the voters are: the voters
// of an epoch decide on the next one, in which only the list differs, and each member applies the configuration that it
// has in force.
//
// A member that has not heard of the change takes plain writes as before. So the change is answered only when all
// members that are not dead have it on disk; otherwise the answer names those that have not.

// Strong reports whether writes of a path are run linearizably. Before the founding the node's own file decides: such a
// write is refused then, rather than done at a level that the cluster is going to forbid.
func (m *Machine) Strong(path string) bool {
	prefixes := m.owner.Options().StrongPrefixes
	if m.InForce != nil {
		prefixes = m.InForce.Strong
	}
	return voting.CoveredBy(prefixes, path)
}

// PolicyRequest serves OpPolicy: the strong prefixes become those of the request.
func (m *Machine) PolicyRequest(r *contract.Request) {
	prefixes, err := voting.CheckStrongPrefixes(r.Strong)
	switch {
	case err != nil:
		m.Refuse(r, contract.CodePrecondition, err.Error())
	case m.InForce == nil:
		m.Refuse(r, contract.CodeNoQuorum, m.unfounded())
	case r.Epoch != 0 && r.Epoch != m.Epoch():
		m.Refuse(r, contract.CodePrecondition, fmt.Sprintf(
			"the configuration is that of epoch %d by now, not %d: look at it again", m.Epoch(), r.Epoch))
	case slices.Equal(prefixes, m.InForce.Strong):
		m.Reply(m.InForceAfter, contract.Response{
			ID: r.ID, Code: contract.CodeOK, Level: contract.Linearizable, Detail: "nothing to do",
		})
	case m.change != nil:
		m.Refuse(r, contract.CodeConflict, "this member has a change of the configuration under way: try again")
	default:
		m.beginChange(&voterChange{request: r, policy: true, strong: prefixes, giveUp: m.changeDeadline(r)})
	}
}

// changeDeadline is when a client's change of the configuration is given up: before the client gives up.
func (m *Machine) changeDeadline(r *contract.Request) time.Duration {
	if r.Deadline == 0 {
		return m.Now.Mono + voterChangeTimeout
	}
	return m.Now.Mono + (r.Deadline-m.Now.Mono)/10*9
}

// askAdopted asks the members that have not confirmed it whether they have the configuration on disk.
func (m *Machine) askAdopted(c *voterChange) {
	for _, p := range m.Peers {
		if !p.Dead() && !slices.Contains(c.adopted, p.ID) {
			m.Send(contract.TransportFrame, p.Addr, m.InForceAfter,
				m.Frame(wire.KindAdoptedAsk, &wire.Epoch{Epoch: c.epoch}))
		}
	}
}

// HandleAdoptedAsk answers once the configuration is on disk here. A member that is behind learns it first, and is
// asked again.
func (m *Machine) HandleAdoptedAsk(from *step.Peer, in *wire.Epoch) error {
	epoch := in.Epoch
	if m.EpochAgrees(from, epoch) {
		m.Send(contract.TransportFrame, from.Addr, m.InForceAfter,
			m.Frame(wire.KindAdoptedIs, &wire.Epoch{Epoch: epoch}))
	}
	return nil
}

func (m *Machine) HandleAdoptedIs(from *step.Peer, in *wire.Epoch) error {
	epoch := in.Epoch
	if c := m.change; c != nil && c.settles && epoch == c.epoch && c.epoch == m.Epoch() {
		c.adopted = slot.InsertID(c.adopted, from.ID)
		m.advanceChange()
	}
	return nil
}

// notAdopted names the members that may not have the configuration yet: all, or those that are not dead.
func (m *Machine) notAdopted(c *voterChange, all bool) (ids []slot.ID) {
	for _, p := range m.Peers {
		if (all || !p.Dead()) && !slices.Contains(c.adopted, p.ID) {
			ids = append(ids, p.ID)
		}
	}
	return ids
}

// adoptionNote names for a client the members that still apply the former policy.
func (m *Machine) adoptionNote(c *voterChange) string {
	missing := m.notAdopted(c, true)
	if !c.policy || len(missing) == 0 {
		return ""
	}
	return fmt.Sprintf("in force, but not known to be at %s yet: until they are reached they take plain "+
		"writes as before",
		strings.Join(slot.IDStrings(missing), ", "))
}

// warnPolicy logs when the node's file and the cluster differ: the cluster's policy counts.
func (m *Machine) warnPolicy() {
	mine := m.owner.Options().StrongPrefixes
	if m.InForce != nil && len(mine) > 0 && !slices.Equal(mine, m.InForce.Strong) {
		m.Log(contract.LogWarn, "strong_prefixes of this node's file are not those of the cluster, which count: "+
			"change the cluster's with kvs policy, or take them out of the file",
			"file", strings.Join(mine, " "), "cluster", strings.Join(m.InForce.Strong, " "))
	}
}
