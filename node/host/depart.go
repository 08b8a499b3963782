package host

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"kvs/node"
	"kvs/node/swim"
)

// ErrNotHandedOver means that a leave was called off: the node is a member as before.
var ErrNotHandedOver = errors.New("the node has not left")

// leaveFarewellMax bounds the time of the farewell, also when handing over has failed.
const leaveFarewellMax = 15 * time.Second

// Leave makes the node leave the cluster for good: it takes no more writes, gives up its vote, waits until a majority
// of the others has everything from its queues, and sends the farewell. ctx bounds the handing over: if it ends before,
// the node is a member as before, and the error is ErrNotHandedOver; with force it leaves all the same. The node still
// runs then, outside of the cluster; Stop it.
func (h *Host) Leave(ctx context.Context, force bool) error {
	leaving := func(on bool) error {
		in := event{in: &node.SetReadOnly{Reason: node.ReasonLeaving, On: on}}
		return h.loop.post(context.WithoutCancel(ctx), in)
	}
	if err := leaving(true); err != nil {
		return err
	}
	err := h.handOver(ctx)
	if err != nil && (!force || errors.Is(err, ErrStopped)) {
		if undo := leaving(false); undo != nil {
			return undo
		}
		return fmt.Errorf("%w: %w", ErrNotHandedOver, err)
	}
	if err != nil {
		h.logger.Warn("leaving by force", "not_handed_over", err)
	}
	if err := h.loop.post(context.WithoutCancel(ctx), event{in: node.Leave{}}); err != nil {
		return err
	}
	told, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveFarewellMax)
	defer cancel()
	return h.poll(told, func(s *node.Status) bool { return s.Left && s.Booked })
}

// handOver gives up this node's vote and waits for its queues.
func (h *Host) handOver(ctx context.Context) error {
	s, err := h.Status(ctx)
	if err != nil {
		return err
	}
	if s.Retired != "" {
		return nil
	}
	if s.Config != nil && len(s.Config.Voters) > 1 && s.Config.Votes(s.ID) {
		resp, err := h.Do(ctx, &node.Request{Op: node.OpDemote, Level: node.Linearizable, Path: s.ID.String()})
		if err != nil {
			return fmt.Errorf("its vote on linearizable operations: %w", err)
		}
		if resp.Code != node.CodeOK || resp.Detail != "" { // a note means that the others have not taken over yet.
			return fmt.Errorf("its vote on linearizable operations: %s", resp.Detail)
		}
	}
	err = h.poll(ctx, func(now *node.Status) bool { s = *now; return s.HandedOver >= s.HandOver })
	if err != nil {
		return fmt.Errorf("%d of the other members have all that this one wrote, %d are needed: %w", s.HandedOver,
			s.HandOver, err)
	}
	return nil
}

// Remove takes another member out for good, with force also one that is alive, and returns when that is on this node's
// disk. Errors wrap those of swim.Machine.Remove.
func (h *Host) Remove(ctx context.Context, id node.ID, force bool) error {
	refused, err := ask(ctx, h.loop, func(n *node.Node) error { return n.CanRemove(id, force) })
	if err = errors.Join(err, refused); err != nil {
		return err
	}
	if err := h.loop.post(ctx, event{in: &node.Remove{ID: id, Force: force}}); err != nil {
		return err
	}
	return h.poll(ctx, func(s *node.Status) bool {
		gone := func(m swim.Member) bool { return m.ID == id && m.State.Gone() }
		return s.Booked && slices.ContainsFunc(s.Members, gone)
	})
}
