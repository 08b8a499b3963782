package node

import (
	"fmt"
	"sort"
	"strings"

	"github.com/stretchr/testify/require"

	"kvs/node/codec"
	"kvs/node/contract"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/node/voting"
	"kvs/node/wire"
)

// exchange is the number of an exchange among those of a machine's run; zero names none.
func (b *bench) exchange(name string, id uint64) uint64 {
	for _, m := range b.machine {
		if m.name == name && m.node != nil && id != 0 {
			return id - m.node.Exchanges
		}
	}
	return 0
}

func (b *bench) transcribe(from string, s contract.Send) {
	if b.say == nil {
		return
	}
	kind, _, body, err := wire.Open(s.Data, wire.ClusterHash("test"))
	require.NoError(b.t, err)
	if kind == wire.KindGossip || kind == wire.KindMemberTable {
		return // membership has transcripts of its own.
	}
	m, err := kind.Decode(body)
	require.NoError(b.t, err)
	what := b.describeRound(kind, m) + b.describeEpoch(kind, m) + b.describeRecords(from, s.To, m) +
		describeBootstrap(m)
	if what == "" {
		return
	}
	b.note("%s -> %s: %s", from, s.To, what)
}

// describeRecords words what brings records, compares them, or ends tombstones.
func (b *bench) describeRecords(from, to string, body wire.Body) string {
	what := ""
	switch m := body.(type) {
	case *wire.Replicate:
		what = fmt.Sprintf("replicate seq=%d", b.exchange(from, m.Seq))
		for _, e := range m.Entries {
			slot, _ := slot.Decode(e.Path, e.Record)
			what += " " + e.Path + "=" + b.describe(&slot)
		}
	case *wire.ReplicateAck:
		what = fmt.Sprintf("replicate-ack seq=%d", b.exchange(to, m.Seq))
	case *wire.TreeAsk:
		what = fmt.Sprintf("tree-ask level=%d nodes=%d", m.Level, len(m.Nodes))
	case *wire.TreeAnswer:
		what = fmt.Sprintf("tree-answer level=%d sums below %d nodes", m.Level, len(m.Nodes))
		if len(m.Nodes) == 0 {
			what = "tree-answer all is equal"
		}
	case *wire.LeafAsk:
		what = fmt.Sprintf("leaf-ask leaves=%d", len(m.Leaves))
	case *wire.LeafAnswer:
		what = fmt.Sprintf("leaf-answer leaves=%d", m.Leaves) + describePaths(m.Keys)
	case *wire.SyncPull:
		what = fmt.Sprintf("sync-pull %v", m.Paths)
	case *wire.Store:
		what = "store " + b.describeEntry(&m.Entry)
	case *wire.Fetched:
		what = "fetched " + b.describeEntry(&m.Entry)
	case *wire.Stored:
		what = "stored"
	case *wire.Fetch:
		what = "fetch " + m.Path
	case *wire.CollectAsk:
		what = "collect-ask: who holds" + describePaths(m.Paths)
	case *wire.CollectAnswer:
		what = fmt.Sprintf("collect-answer held=%v; refuse whatever I sealed before", m.Held)
	case *wire.Collected:
		what = "collected: all had" + describePaths(m.Paths)
	}
	return what
}

func (b *bench) describeEntry(e *wire.Entry) string {
	if e.Record == nil {
		return e.Path
	}
	stored, _ := slot.Decode(e.Path, e.Record)
	return e.Path + "=" + b.describe(&stored)
}

// describeRound words the messages of rounds.
func (b *bench) describeRound(kind wire.Kind, body wire.Body) string {
	switch m := body.(type) {
	case *wire.Question:
		if kind == wire.KindLook {
			return "look at " + b.path(m.Path)
		}
		return "prepare " + b.path(m.Path) + " ballot " + b.ballot(m.Ballot)
	case *wire.Accept:
		rec := m.Consensus.Record
		what := fmt.Sprintf("%q of version %s", rec.Value, rec.TS)
		if schema.IsConfigPath(m.Path) {
			what = b.voters(voting.Read(codec.Read(rec.Value)))
		}
		return fmt.Sprintf("accept %s ballot %s: %s", b.path(m.Path), b.ballot(m.Ballot), what)
	case *wire.AcceptDirect:
		what := b.describeRound(wire.KindAccept, &m.Accept) + "; then promise " + b.ballot(m.Consensus.Promised)
		if m.Seen != 0 {
			what += fmt.Sprintf("; unless something is above %s", m.Seen)
		}
		return what
	case *wire.Promised:
		switch {
		case !m.OK:
			return "refuses, has promised " + b.ballot(m.Promised)
		case m.Record == nil:
			return "shows nothing"
		}
		return "shows " + b.describeBoth(m.Record)
	case *wire.Accepted:
		if !m.OK {
			return "refuses, has promised " + b.ballot(m.Promised)
		}
		return "accepted"
	case *wire.Forward:
		return fmt.Sprintf("forward %s %s %q since %s, no version below %s", m.Request.Op, b.path(m.Request.Path),
			m.Request.Value, m.Since, m.First)
	case *wire.Forwarded:
		if m.Fate != wire.FateAnswered {
			return [...]string{wire.FateDeclined: "declines", wire.FateUnknown: "knows nothing of it"}[m.Fate]
		}
		return fmt.Sprintf("has run it: %s %s", m.Response.Code, m.Response.Record.TS)
	}
	return ""
}

// describeEpoch words the messages about epochs and catching up.
func (b *bench) describeEpoch(kind wire.Kind, body wire.Body) string {
	switch m := body.(type) {
	case *wire.Epoch:
		switch kind {
		case wire.KindPassedAsk:
			return fmt.Sprintf("caught up with epoch %d?", m.Epoch)
		case wire.KindPassedIs:
			return fmt.Sprintf("has caught up with epoch %d", m.Epoch)
		case wire.KindAdoptedAsk:
			return fmt.Sprintf("do you go by epoch %d?", m.Epoch)
		case wire.KindAdoptedIs:
			return fmt.Sprintf("goes by epoch %d", m.Epoch)
		}
	case *wire.Word:
		return map[wire.Kind]string{wire.KindWordAsk: "your word that I found the cluster?",
			wire.KindWord: "you have it", wire.KindWordBack: "have it back"}[kind]
	case *wire.CatchRange:
		return fmt.Sprintf("what of %q to %q had you in the epoch before %d? here: %d keys", m.From, m.To, m.Epoch,
			m.Sum.Keys)
	case *wire.CatchKeys:
		return fmt.Sprintf("sealed; equal=%v, %d keys", m.Equal, len(m.Keys))
	case *wire.CatchPull:
		return fmt.Sprintf("send %q", m.Paths)
	case *wire.CatchSlots:
		return fmt.Sprintf("%d slots", len(m.Entries))
	}
	return ""
}

func describePaths(paths []wire.HeldVersion) (out string) {
	for _, k := range paths {
		out += fmt.Sprintf(" %s@%s", k.Path, k.TS)
	}
	return out
}

// describe prints a slot: its candidates, and behind a conflict who votes for which.
func (b *bench) describe(s *slot.Slot) string {
	var values, votes []string
	names := map[slot.UUID]string{}
	for i := range s.Candidates {
		names[s.Candidates[i].UUID] = fmt.Sprintf("%q", s.Candidates[i].Value)
		values = append(values, names[s.Candidates[i].UUID])
	}
	sort.Strings(values) // UUIDs are drawn, and tell a reader nothing.
	for _, m := range b.machine {
		if i, ok := s.VoteOf(m.node.ID()); ok {
			votes = append(votes, m.name+" for "+names[s.Votes[i].UUID])
		}
	}
	out := strings.Join(values, "|") + "@" + s.TS.String()
	if len(votes) > 0 {
		out += " (" + strings.Join(votes, ", ") + ")"
	}
	return out
}

func (b *bench) path(p string) string {
	if schema.IsConfigPath(p) {
		return "the configuration after epoch " + p[len(schema.ConfigPathPrefix):]
	}
	return p
}

// voters prints a configuration with the names of its members.
func (b *bench) voters(c *voting.Config) string {
	out := fmt.Sprintf("epoch %d, voters", c.Epoch)
	for _, m := range b.machine {
		if m.node != nil && c.Votes(m.node.Self) {
			out += " " + m.name
		}
	}
	return out
}

// ballot prints a ballot with the name of its member.
func (b *bench) ballot(v slot.Ballot) string {
	for _, m := range b.machine {
		if m.node != nil && m.node.Self == v.Member {
			return fmt.Sprintf("%d/%s/%s", v.Epoch, v.TS, m.name)
		}
	}
	return v.String()
}

// describeBoth prints both halves of a stored slot. The path is not in it, so only its checksum is in doubt.
func (b *bench) describeBoth(record []byte) string {
	for _, path := range []string{"a", "b", "c", schema.ConfigPath(1), schema.ConfigPath(2)} {
		s, err := slot.Decode(path, record)
		if err != nil {
			continue
		}
		what := ""
		if s.TS != 0 {
			what = b.describe(&s)
		}
		if c := s.Consensus; c.Accepted() {
			what += fmt.Sprintf(" %q of version %s under ballot %s", c.Record.Value, c.Record.TS, b.ballot(c.Ballot))
		} else if s.TS == 0 {
			what = "nothing"
		}
		return strings.TrimSpace(what)
	}
	return "something else"
}
