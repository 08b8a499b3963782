// Package overview asks all members for their status, for a client that can reach one of them alone, as a browser does.
//
// The members see the credentials of that client, so an overview shows nothing that its sender could not ask for one by
// one. What the statuses mean is in node/diagnosis. Begin with Desk.
package overview

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"

	"kvs/node/api"
	"kvs/node/diagnosis"
	"kvs/node/host/rest/forwarding"
)

// Bounds of overviews.
const (
	overviewsMax = 8   // under way at once: each of them asks every member.
	atOnceMax    = 16  // members that one of them asks at the same time.
	membersMax   = 128 // members that one of them asks; the others are shown without a status.

	// Patience is how long a member may take for its status.
	Patience = 2 * time.Second
)

// ErrFull means that too many overviews are under way.
var ErrFull = errors.New("too many overviews are under way: try again")

// Desk makes overviews. It is safe for concurrent use.
type Desk struct {
	Forwarder      *forwarding.Forwarder
	MaxClockOffset time.Duration // by which clocks may differ.

	underWay atomic.Int32
}

// Overview asks the members that own, the status of this node, knows, for the sender of c. An error wraps ErrFull.
func (d *Desk) Overview(c *fiber.Ctx, own api.Status, o forwarding.Request) (api.Cluster, error) {
	if d.underWay.Add(1) > overviewsMax {
		d.underWay.Add(-1)
		return api.Cluster{}, ErrFull
	}
	defer d.underWay.Add(-1)
	o.Timeout = Patience
	credentials := bytes.Clone(c.Request().Header.Peek(fiber.HeaderAuthorization))
	return gather(own, d.MaxClockOffset, func(addr string) (*api.Status, error) {
		return d.Forwarder.Status(addr, credentials, o)
	}), nil
}

// gather makes the overview. ask is called from several goroutines.
func gather(own api.Status, maxClockOffset time.Duration, ask func(addr string) (*api.Status, error)) api.Cluster {
	views := diagnosis.Views{By: map[string]*api.Status{own.ID: &own}, Silent: map[string]string{}}
	members := views.Members()
	found := make([]*api.Status, len(members))
	why := make([]error, len(members))
	var running sync.WaitGroup
	places := make(chan struct{}, atOnceMax)
	for i := range members {
		switch {
		case members[i].ID == own.ID:
			found[i] = &own
			continue
		case i >= membersMax:
			why[i] = fmt.Errorf("not asked: an overview asks %d members", membersMax)
			continue
		}
		running.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			found[i], why[i] = ask(members[i].Address)
		})
	}
	running.Wait()
	out := api.Cluster{Node: own.ID, Members: []api.ClusterMember{}, Equal: true}
	for i := range members {
		line, id := api.ClusterMember{Member: members[i]}, members[i].ID
		switch {
		case why[i] == nil && found[i].ID == id:
			line.Status, views.By[id] = found[i], found[i]
			out.Equal = out.Equal && found[i].Digest == own.Digest
		case why[i] == nil:
			why[i] = fmt.Errorf("%s: another node (%s) answers there", members[i].Address, found[i].ID)
			fallthrough
		default:
			line.Error, views.Silent[id] = why[i].Error(), why[i].Error()
		}
		out.Members = append(out.Members, line)
	}
	var f diagnosis.Findings
	for i := range out.Members {
		if line := &out.Members[i]; line.Status != nil {
			f.Subject = line.Member.Name
			f.Node(line.Status, maxClockOffset)
		}
	}
	out.Findings = append(f.List, views.Examine(own.Cluster)...)
	return out
}
