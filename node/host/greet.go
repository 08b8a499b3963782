package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/client"
	"kvs/node/slot"
	"kvs/node/swim"
)

// Before a node starts it asks the members that it is about to meet for their status. Two mistakes are reported then,
// before the node has sent any gossip. The first is a seed of another cluster, of another name or founded apart; in
// this case no data folder is made either. The second is a copied data folder, so that two nodes have one identity; it
// is found when the folder is open. The node does not wait for members that do not answer in time: gossip goes on
// trying, and drops messages of another cluster.

const (
	greetTimeout = 700 * time.Millisecond // for all that are asked together; a dead machine delays a start by so much.
	greetMax     = 16                     // addresses asked.
)

// Errors of a start or a join that was refused.
var (
	ErrOtherCluster  = errors.New("belongs to another cluster")
	ErrIdentityInUse = errors.New("identity is in use")
	ErrRenamed       = errors.New("the node has another name than before")
)

// greetAsNewcomer asks the seeds when there is no data folder yet, or an empty one. A node that is refused has none
// afterwards either.
func (h *Host) greetAsNewcomer(ctx context.Context) (greeted bool, err error) {
	entries, err := os.ReadDir(h.cfg.DataDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) || len(entries) > 0 {
		return false, nil // the store reports what is wrong with it.
	}
	return true, h.greetAs(ctx, 0, nil, nil)
}

// greet asks the seeds; a node with an identity asks the members that it knew as well.
func (h *Host) greet(ctx context.Context) error {
	id, known, err := node.StoredIdentity(h.store)
	if err != nil {
		return nil // node.New reports what is wrong, with advice.
	}
	config, err := node.StoredConfig(h.store)
	if err != nil {
		return nil // the same.
	}
	return h.greetAs(ctx, id, known, config)
}

// greetAs is greet for a node with this identity, which knew these members and this configuration; zero and nil: it has
// none.
func (h *Host) greetAs(ctx context.Context, id node.ID, known []swim.Member, config *node.Config) error {
	fresh := id == 0
	addrs := slices.Clone(h.cfg.Seeds)
	for _, m := range known {
		if m.State != swim.Left {
			addrs = append(addrs, m.Addr)
		}
	}
	answers := h.ask(ctx, addrs)
	var strangers []error
	own, split := 0, false
	for _, a := range answers {
		if err := h.otherCluster(a, config); err != nil {
			strangers = append(strangers, err)
			// a newcomer cannot choose between two clusters of its name.
			split = split || a.status.Cluster == h.cfg.Cluster
			continue
		}
		if theirs := a.config(); config == nil && theirs != nil {
			config = theirs // a newcomer's seeds have to be of one cluster.
		}
		own++
	}
	switch {
	case len(strangers) > 0 && fresh && (own == 0 || split):
		return errors.Join(strangers...)
	case len(strangers) > 0:
		h.logger.Warn("some addresses of members lead to another cluster: take them out of the seeds", "error",
			errors.Join(strangers...))
	}
	h.warnOfNamesake(id, answers)
	if fresh {
		return nil
	}
	if err := h.checkName(id, answers); err != nil {
		return err
	}
	return h.checkIdentity(ctx, id, answers)
}

// warnOfNamesake logs that another living member has this node's name. The node starts nevertheless: names are for
// people only, and the other one may be about to end. A member at this node's own address is a former identity of this
// node that lost its disk.
func (h *Host) warnOfNamesake(id node.ID, answers []greeting) {
	for _, a := range answers {
		if a.status.Cluster != h.cfg.Cluster {
			continue
		}
		for _, m := range a.status.Members {
			if m.Name == h.cfg.Name && m.ID != id.String() && m.State == swim.Alive.String() &&
				m.Address != h.cfg.Advertise {
				h.logger.Warn(
					"another member that is alive has this node's name: give one of them another in its configuration",
					"name", m.Name, "id", m.ID, "address", m.Address)
				return
			}
		}
	}
}

// checkName refuses to start a node under another name than the one that others know, where members prove their names:
// they would drop its messages.
func (h *Host) checkName(id node.ID, answers []greeting) error {
	if !h.cfg.SwimConfig().NamesFixed {
		return nil
	}
	for _, a := range answers {
		if a.status.Cluster != h.cfg.Cluster {
			continue
		}
		for _, m := range a.status.Members {
			if m.ID == id.String() && m.Name != h.cfg.Name {
				return fmt.Errorf("%w: the data in %s is that of the member %q, says %s, and this node is called %q: "+
					"where members prove their names by certificates a member keeps its name; "+
					"give this node that name and its certificate again, or an empty data_dir",
					ErrRenamed, h.cfg.DataDir, m.Name, a.addr, h.cfg.Name)
			}
		}
	}
	return nil
}

// checkClusters refuses addresses that belong to another cluster.
func (h *Host) checkClusters(ctx context.Context, addrs []string) error {
	st, err := h.Status(ctx)
	if err != nil {
		return err
	}
	for _, a := range h.ask(ctx, addrs) {
		if err := h.otherCluster(a, st.Config); err != nil {
			return err
		}
	}
	return nil
}

// otherCluster is the reason for a refusal, if there is one. own is this node's configuration; nil: it has none.
func (h *Host) otherCluster(a greeting, own *node.Config) error {
	switch {
	case a.status.Cluster != h.cfg.Cluster:
		return fmt.Errorf(
			"the member at %s %w: it is of %q, this node is configured for %q; correct the seeds or the cluster in %s",
			a.addr, ErrOtherCluster, a.status.Cluster, h.cfg.Cluster, h.cfg.File)
	case !own.Related(a.config()):
		return fmt.Errorf("the member at %s %w: both are called %q, but they were founded apart, and two foundings "+
			"never merge; correct the seeds in %s, or start the nodes of one of the two with empty data folders and "+
			"keep the former ones",
			a.addr, ErrOtherCluster, h.cfg.Cluster, h.cfg.File)
	}
	return nil
}

// checkIdentity looks for another process with this node's identity. Another member's table is no proof, because this
// node itself may have had another address: only the answer of a process at that address is.
func (h *Host) checkIdentity(ctx context.Context, id node.ID, answers []greeting) error {
	var claims []string
	for _, a := range answers {
		if a.status.Cluster != h.cfg.Cluster {
			continue
		}
		if a.status.ID == id.String() && a.status.Address != h.cfg.Advertise {
			return h.identityInUse(id, a.status.Address)
		}
		for _, m := range a.status.Members {
			if m.ID == id.String() && (m.State == swim.Alive.String() || m.State == swim.Suspect.String()) {
				claims = append(claims, m.Address)
			}
		}
	}
	for _, a := range h.ask(ctx, claims) {
		if a.status.ID == id.String() && a.status.Cluster == h.cfg.Cluster {
			return h.identityInUse(id, a.addr)
		}
	}
	return nil
}

func (h *Host) identityInUse(id node.ID, addr string) error {
	return fmt.Errorf("the %w: the node at %s has the identity %s of the data in %s; a data folder cannot be copied "+
		"to make another node: give this one an empty data_dir, or stop the other one",
		ErrIdentityInUse, addr, id, h.cfg.DataDir)
}

// greeting is the status of a member, as it has answered.
type greeting struct {
	addr   string
	status api.Status
}

// config is the part of the member's configuration that identifies its founding; nil: it has none, or is of a version
// that does not send it.
func (g *greeting) config() *node.Config {
	founding, err := slot.ParseUUID(g.status.Voters.Founding)
	if err != nil {
		return nil
	}
	c := &node.Config{Founding: founding}
	for _, text := range g.status.Voters.Former {
		if former, err := slot.ParseUUID(text); err == nil {
			c.Former = append(c.Former, former)
		}
	}
	return c
}

// ask returns the statuses of the members at these addresses that answer in time, in the order of the addresses. This
// node's own address is left out.
func (h *Host) ask(ctx context.Context, addrs []string) []greeting {
	var asked []string
	for _, a := range addrs {
		if a != h.cfg.Advertise && a != h.cfg.Listen && !slices.Contains(asked, a) && len(asked) < greetMax {
			asked = append(asked, a)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, greetTimeout)
	defer cancel()
	heard := make(chan greeting, len(asked))
	for _, a := range asked {
		go func() { heard <- greeting{a, h.askOne(ctx, a)} }()
	}
	var out []greeting
	for range asked {
		if g := <-heard; g.status.ID != "" {
			out = append(out, g)
		}
	}
	slices.SortFunc(out, func(a, b greeting) int { return slices.Index(asked, a.addr) - slices.Index(asked, b.addr) })
	return out
}

// askOne returns the zero Status when no member answers.
func (h *Host) askOne(ctx context.Context, addr string) api.Status {
	o := client.DefaultOptions(addr)
	o.AttemptsMax, o.AttemptTimeout, o.DialTimeout = 1, greetTimeout, greetTimeout
	o.Dial = h.dialMember
	c, err := client.New(o)
	if err != nil {
		return api.Status{}
	}
	defer c.Close()
	st, err := c.Status(ctx)
	if err != nil {
		return api.Status{}
	}
	return st
}
