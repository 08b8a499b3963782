package raft

import (
	"encoding/binary"
	"time"

	"kvs/sim"

	"go.etcd.io/raft/v3"
)

// request is a request that the node has not answered yet.
type request struct {
	number  uint64 // the world's.
	command Command
	until   time.Duration
	read    uint64 // of a Get: its number in this boot,
	index   uint64 // and the index that has to be applied first; zero: not known yet.
}

// request takes in a request, whose body is a *Command.
func (m *Machine) request(in *sim.Input) {
	r := request{number: in.ID, command: *in.Body.(*Command), until: in.Deadline}
	if len(m.requests) >= requestsMax {
		m.reply(r.number, Result{Status: Refused, Detail: "too many requests wait"})
		return
	}
	m.start(&r)
}

// start hands a request to the library, and keeps it if its answer comes later.
func (m *Machine) start(r *request) {
	c := &r.command
	if m.node.BasicStatus().Lead == raft.None {
		m.reply(r.number, Result{Status: Refused, Detail: "no leader is known"})
		return
	}
	before := m.timer.look()
	if c.Kind == Get {
		m.reads++
		r.read = m.reads
		m.requests = append(m.requests, *r)
		m.node.ReadIndex(m.readContext(r.read))
	} else if err := m.node.Propose(c.Encode(nil)); err == nil {
		m.requests = append(m.requests, *r)
	} else {
		m.reply(r.number, Result{Status: Refused, Detail: err.Error()})
	}
	m.timer.changed(before)
}

// readContext names a read. It holds the number of the boot: an answer to a read of the same number before a restart
// would be about an older index.
func (m *Machine) readContext(read uint64) []byte {
	b := binary.BigEndian.AppendUint64(nil, m.boot)
	return binary.BigEndian.AppendUint64(b, read)
}

// readStates takes the indexes that the library found for reads.
func (m *Machine) readStates(list []raft.ReadState) {
	for _, s := range list {
		if len(s.RequestCtx) != 16 || binary.BigEndian.Uint64(s.RequestCtx) != m.boot {
			continue
		}
		read := binary.BigEndian.Uint64(s.RequestCtx[8:])
		for i := range m.requests {
			if m.requests[i].read == read {
				m.requests[i].index = s.Index
			}
		}
	}
	m.answerReads()
}

// answerReads answers the reads whose index has been applied.
func (m *Machine) answerReads() {
	m.answer(func(r *request) (Result, bool) {
		if r.command.Kind != Get || r.index == 0 || r.index > m.applied.index {
			return Result{}, false
		}
		value, found := m.registers.get(r.command.Key)
		return Result{Status: Done, Found: found, Value: value}, true
	})
}

// answerCommand answers the request of a command that has been applied.
func (m *Machine) answerCommand(c *Command, res Result) {
	m.answer(func(r *request) (Result, bool) {
		return res, r.command.Kind != Get && r.command.Session == c.Session && r.command.Seq == c.Seq
	})
}

func (m *Machine) expireRequests() {
	m.answer(func(r *request) (Result, bool) {
		return Result{Status: Unknown, Detail: "it took too long"}, m.now >= r.until
	})
}

// answer replies to the requests that f has an answer for.
func (m *Machine) answer(f func(*request) (Result, bool)) {
	kept := m.requests[:0]
	for i := range m.requests {
		r := &m.requests[i]
		if res, ok := f(r); ok {
			m.reply(r.number, res)
		} else {
			kept = append(kept, *r)
		}
	}
	clear(m.requests[len(kept):])
	m.requests = kept
}

// reply answers a request. The content of an answer is committed, so the answer does not wait for this node's disk.
func (m *Machine) reply(number uint64, res Result) {
	m.eff.Replies = append(m.eff.Replies, sim.Reply{ID: number, Body: &res})
}
