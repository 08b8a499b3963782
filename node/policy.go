package node

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Strong prefixes. The configuration names the prefixes of paths under which every write is run linearizably, whatever level was
// asked for, so that no path below mixes levels by mistake. The list is changed like the voters are: the voters of an epoch decide on
// the next one, in which nothing but the list differs, and each member goes by the configuration that it has in force.
//
// A member that has not heard of the change takes plain writes as before. So the change is answered only when all members that are
// not dead have it on disk, or else says who has not.

const (
	// StrongPrefixesMax bounds the list.
	StrongPrefixesMax = 64

	rootPrefix = "/" // every path.
)

// CheckStrongPrefixes returns the prefixes sorted, each once. A prefix is a directory: a path and a slash, or "/" for everything.
func CheckStrongPrefixes(prefixes []string) ([]string, error) {
	out := slices.Compact(slices.Sorted(slices.Values(prefixes)))
	if len(out) > StrongPrefixesMax {
		return nil, fmt.Errorf("%d strong prefixes: %d are the most; name a directory above some of them", len(out), StrongPrefixesMax)
	}
	for _, p := range out {
		directory, isDirectory := strings.CutSuffix(p, "/")
		if p == rootPrefix {
			continue
		}
		if !isDirectory {
			return nil, fmt.Errorf("strong prefix %q: end it with a slash: it names what is below a directory", p)
		}
		if err := CheckPath(directory); err != nil {
			return nil, fmt.Errorf("strong prefix %q: %w", p, err)
		}
	}
	return out, nil
}

// strong reports whether writes of a path are run linearizably. Before the founding the node's own file says so: it is refused then,
// rather than written at a level that the cluster is going to rule out.
func (n *Node) strong(path string) bool {
	prefixes := n.opts.StrongPrefixes
	if n.config != nil {
		prefixes = n.config.Strong
	}
	return slices.ContainsFunc(prefixes, func(p string) bool { return p == rootPrefix || strings.HasPrefix(path, p) })
}

// policyRequest serves OpPolicy: the strong prefixes become those of the request.
func (n *Node) policyRequest(r *Request) {
	prefixes, err := CheckStrongPrefixes(r.Strong)
	switch {
	case err != nil:
		n.refuse(r, CodePrecondition, err.Error())
	case n.config == nil:
		n.refuse(r, CodeNoQuorum, n.unfounded())
	case r.Epoch != 0 && r.Epoch != n.epoch():
		n.refuse(r, CodePrecondition, fmt.Sprintf("the configuration is that of epoch %d by now, not %d: look at it again", n.epoch(), r.Epoch))
	case slices.Equal(prefixes, n.config.Strong):
		n.reply(n.configAfter, Response{ID: r.ID, Code: CodeOK, Level: Linearizable, Detail: "nothing to do"})
	case n.change != nil:
		n.refuse(r, CodeConflict, "this member has a change of the configuration under way: try again")
	default:
		n.beginChange(&voterChange{request: r, policy: true, strong: prefixes, giveUp: n.changeDeadline(r)})
	}
}

// changeDeadline is when a client's change of the configuration is given up: before nobody waits for the answer any more.
func (n *Node) changeDeadline(r *Request) time.Duration {
	if r.Deadline == 0 {
		return n.now.Mono + voterChangeTimeout
	}
	return n.now.Mono + (r.Deadline-n.now.Mono)/10*9
}

// askAdopted asks the members that have not said so whether they have the configuration on disk.
func (n *Node) askAdopted(c *voterChange) {
	for _, p := range n.peers {
		if !p.dead() && !slices.Contains(c.adopted, p.id) {
			n.send(TransportFrame, p.addr, n.configAfter, n.encodeEpoch(msgAdoptedAsk, c.epoch))
		}
	}
}

// handleAdoptedAsk answers once the configuration is on disk here; who is behind learns it, and is asked again.
func (n *Node) handleAdoptedAsk(from *peer, body []byte) error {
	epoch, err := decodeEpoch(body)
	if err == nil && n.epochAgrees(from, epoch) {
		n.send(TransportFrame, from.addr, n.configAfter, n.encodeEpoch(msgAdoptedIs, epoch))
	}
	return err
}

func (n *Node) handleAdoptedIs(from *peer, body []byte) error {
	epoch, err := decodeEpoch(body)
	if c := n.change; err == nil && c != nil && c.settles && epoch == c.epoch && c.epoch == n.epoch() {
		c.adopted = insertID(c.adopted, from.id)
		n.advanceChange()
	}
	return err
}

// notAdopted names the members that may not have the configuration yet: all, or those that are not dead.
func (n *Node) notAdopted(c *voterChange, all bool) (ids []ID) {
	for _, p := range n.peers {
		if (all || !p.dead()) && !slices.Contains(c.adopted, p.id) {
			ids = append(ids, p.id)
		}
	}
	return ids
}

// adoptionNote tells a client which members still go by the former policy.
func (n *Node) adoptionNote(c *voterChange) string {
	missing := n.notAdopted(c, true)
	if !c.policy || len(missing) == 0 {
		return ""
	}
	return fmt.Sprintf("in force, but not known to be at %s yet: until they are reached they take plain writes as before", strings.Join(idStrings(missing), ", "))
}

// warnPolicy says when the node's file and the cluster differ: the cluster counts.
func (n *Node) warnPolicy() {
	if mine := n.opts.StrongPrefixes; n.config != nil && len(mine) > 0 && !slices.Equal(mine, n.config.Strong) {
		n.log(LogWarn, "strong_prefixes of this node's file are not those of the cluster, which count: change the cluster's with kvs policy, or take them out of the file",
			"file", strings.Join(mine, " "), "cluster", strings.Join(n.config.Strong, " "))
	}
}

func appendStrong(b []byte, prefixes []string) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(prefixes)))
	for _, p := range prefixes {
		b = appendString(b, p)
	}
	return b
}

// strongPrefixes reads what appendStrong wrote.
func (r *wireReader) strongPrefixes() (out []string) {
	for range r.count(StrongPrefixesMax, 3) {
		out = append(out, string(r.take(int(r.u16()))))
	}
	if sorted, err := CheckStrongPrefixes(out); err != nil || len(out) == 0 || !slices.Equal(sorted, out) {
		r.bad = true
	}
	return out
}
