package host

import (
	"context"

	"kvs/node"
)

// DoAll is Do for many writes, of different paths: the loop gets them as one event, so that they share an fsync, and
// none of them needs a goroutine. It calls answer once for each, with its place in rs, in any order and from this
// goroutine, and returns when it has.
//
// Each request is let in or turned away by itself. Those for which there is no place yet wait until the ones before
// them are answered; one that finds none although no other of this call is under way is turned away.
func (h *Host) DoAll(ctx context.Context, rs []*node.Request, answer func(i int, resp node.Response, err error)) {
	for from := 0; from < len(rs); {
		calls, next := h.admit(ctx, rs, from, answer)
		if len(calls) > 0 {
			h.together(ctx, calls, answer)
		}
		from = next
	}
}

// admit takes places for requests, beginning with the one at from, as many as there are, and answers those that are
// turned away. next is the first request that it has left alone.
func (h *Host) admit(ctx context.Context, rs []*node.Request, from int, answer func(int, node.Response, error)) (
	calls []*call, next int) {
	deadline, replies := h.deadline(ctx), make(chan reply, len(rs)-from)
	all := make([]call, len(rs)-from)
	for i := from; i < len(rs); i++ {
		c := &all[i-from]
		*c = call{request: rs[i], at: i, reply: replies}
		if resp := h.diskFull(c); resp != nil {
			answer(i, *resp, nil)
			continue
		}
		if err := h.admission.enter(c); err != nil {
			if len(calls) > 0 {
				return calls, i
			}
			resp, err := turnedAway(rs[i], err)
			answer(i, resp, err)
			continue
		}
		rs[i].Deadline = deadline
		calls = append(calls, c)
	}
	return calls, len(rs)
}

// together hands calls to the loop, and waits for their replies.
func (h *Host) together(ctx context.Context, calls []*call, answer func(int, node.Response, error)) {
	first := calls[0].at
	answered := make([]bool, calls[len(calls)-1].at-first+1)
	err := h.loop.post(ctx, event{calls: calls})
	if err != nil {
		for _, c := range calls {
			h.admission.leave(c)
		}
		err = notQueued(err)
	}
	for left := len(calls); err == nil && left > 0; left-- {
		var a reply
		if a, err = h.await(ctx, calls[0].reply); err == nil {
			answered[a.at-first] = true
			answer(a.at, a.resp, nil)
		}
	}
	for _, c := range calls {
		if !answered[c.at-first] {
			answer(c.at, node.Response{}, err)
		}
	}
}
