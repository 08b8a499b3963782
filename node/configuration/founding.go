package configuration

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"kvs/node/codec"
	"kvs/node/contract"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/node/step"
	"kvs/node/swim"
	"kvs/node/voting"
	"kvs/node/wire"
)

// How a cluster gets its first configuration.
//
// One member founds: the one with the lowest address among the members behind the addresses in its own file, seeds and
// itself. When all members that it knows are up, and are as many as it expects, it asks them for their word: a promise
// to take part in its founding. A member without a configuration gives its word to one founder only, and has it on disk
// before it answers. When the founder has the words of all of them, they become the voters of epoch 1.
//
// Unless the file says how many members there are (Options.ExpectedMembers, see expectedByFile), the members that
// answer at the addresses in the founder's file have to be among them: two files that have an address in common lead to
// foundings that have a member in common.
//
// Two members may both take themselves for the founder, because their files name different seeds. So a founder that is
// asked for its word by a member with a lower address, before it has founded, gives up: it discards the words that it
// has, releases the members that gave them, and gives its own word to the other founder. A released word does not
// count, since it names the attempt for which it was given. Hence two foundings with a member in common cannot both
// succeed, and one of them succeeds once all members can reach each other.
//
// The founder needs all members, not a majority, and the dead ones as well: otherwise a founder that lost its disk
// after founding would found a second cluster with the members that had not heard of the first. A member that is gone,
// or whose address another identity has, is not asked, and a word given to it does not bind.
type founding struct {
	next    time.Duration      // when a member without a configuration asks again.
	attempt uint64             // the attempt of this member as the founder; zero: it has not asked for words yet.
	words   []slot.ID          // members that gave their word to the attempt, sorted, without this one.
	given   slot.ID            // the founder that has this member's word, durably; zero: none.
	to      uint64             // the attempt for which it was given; zero: an attempt that a former run knew.
	after   contract.PersistID // of the word.
}

const (
	foundingInterval = 500 * time.Millisecond
)

// tickFounding looks for a configuration while there is none.
func (m *Machine) tickFounding() {
	f := &m.founding
	if m.InForce != nil || m.Now.Mono < f.next {
		return
	}
	f.next = m.Now.Mono + foundingInterval
	m.found()
	if m.InForce != nil {
		return
	}
	for _, p := range m.Peers {
		m.askConfig(p)
		if p.ID == f.given { // it may have given up, and the message that releases this member was lost.
			m.Send(contract.TransportFrame, p.Addr, f.after, m.Frame(wire.KindWord, &wire.Word{Attempt: f.to}))
		}
	}
}

// askConfig asks a member for the configuration: when the member is met, and again in every interval.
func (m *Machine) askConfig(p *step.Peer) {
	if !p.Dead() {
		m.Send(contract.TransportFrame, p.Addr, 0, m.Frame(wire.KindConfigAsk, &wire.ConfigAsk{}))
	}
}

// MemberMet is called when a member is met, or returns.
func (m *Machine) MemberMet(p *step.Peer) {
	if m.InForce == nil {
		m.askConfig(p)
		m.found()
	}
}

// Expected is how many members form the cluster. Unless the file says so, it counts the members behind the addresses in
// the file: an address at which this node itself answers, or a second address of the same member, does not count.
func (m *Machine) Expected() int {
	if n := m.expectedByFile(); n != 0 {
		return n
	}
	return m.named()
}

// expectedByFile is how many members form the cluster, if the file says so; zero: it does not. One member counts only
// where the seeds name no other: else a node that joins would take itself for a new cluster before it has met any.
func (m *Machine) expectedByFile() int {
	n := m.owner.Options().ExpectedMembers
	if n == 1 && m.named() > 1 {
		return 0
	}
	return n
}

// named is how many members the addresses in the file name, this one included.
func (m *Machine) named() int {
	ids := []slot.ID{m.Self}
	unknown := 0
	seeds := slices.Compact(slices.Sorted(slices.Values(m.owner.Options().Seeds)))
	for _, s := range seeds {
		if id := m.behind(s); id != 0 {
			ids = slot.InsertID(ids, id)
		} else {
			unknown++
		}
	}
	return len(ids) + unknown
}

// behind is the member that answers at an address; zero: no member has yet.
func (m *Machine) behind(addr string) slot.ID {
	if addr == m.Addr {
		return m.Self
	}
	for _, p := range m.Peers {
		if p.Addr == addr {
			return p.ID
		}
	}
	return m.owner.Behind(addr)
}

// founds reports whether this member is the founder.
func (m *Machine) founds() bool {
	for _, s := range m.owner.Options().Seeds {
		addr := s
		if id := m.behind(s); id == m.Self {
			continue
		} else if p := m.Peer(id); p != nil {
			addr = p.Addr
		}
		if addr < m.Addr {
			return false
		}
	}
	return true
}

// found continues this member's founding: it asks for words once all expected members are up, and founds with the
// words.
func (m *Machine) found() {
	f := &m.founding
	m.reconsider()
	if !m.founds() || m.owner.Gone() || m.owner.Options().Founded || f.given != 0 && f.given != m.Self {
		return
	}
	var living []slot.ID
	for _, p := range m.Peers {
		if !p.Dead() {
			living = append(living, p.ID)
		}
	}
	if !m.complete(living) {
		m.abandonFounding() // another founder may need the members that gave their words.
		return
	}
	if f.attempt == 0 {
		f.attempt = m.NextExchange()
		m.giveWord(m.Self)
	}
	if m.foundWith(f.words) {
		return
	}
	for _, p := range m.Peers {
		if _, given := slices.BinarySearch(f.words, p.ID); !given && !p.Dead() {
			m.Send(contract.TransportFrame, p.Addr, f.after, m.Frame(wire.KindWordAsk, &wire.Word{Attempt: f.attempt}))
		}
	}
}

// foundWith makes the first configuration if enough members gave their words.
func (m *Machine) foundWith(words []slot.ID) bool {
	var living []slot.ID
	for _, id := range words {
		if p := m.Peer(id); p != nil && !p.Dead() {
			living = append(living, id)
		}
	}
	if !m.complete(living) {
		return false
	}
	// Further members are promoted when there is room.
	voters := slot.InsertID(living[:min(len(living), voting.VotersMax-1)], m.Self)
	m.Log(contract.LogInfo, "cluster founded", "voters", slot.IDStrings(voters))
	m.adopt(&voting.Config{Epoch: 1, Founding: m.NewUUID(), Voters: voters, Strong: m.owner.Options().StrongPrefixes})
	m.announce()
	return true
}

// complete reports whether the founder and these others, sorted, are all expected members, and all members that it
// knows.
func (m *Machine) complete(others []slot.ID) bool {
	if len(others)+1 < m.Expected() || m.unheard(others) != 0 {
		return false
	}
	return m.SeedsAmong(others)
}

// SeedsAmong reports whether the members that the file names, but this one, are among these, sorted. It does not matter
// when the file says how many members there are.
func (m *Machine) SeedsAmong(others []slot.ID) bool {
	return m.expectedByFile() != 0 || !slices.ContainsFunc(m.owner.Options().Seeds, func(s string) bool {
		id := m.behind(s)
		_, there := slices.BinarySearch(others, id)
		return id != m.Self && !there
	})
}

// unheard is a member that is not among these, and that may know of a founding; zero: there is none.
func (m *Machine) unheard(others []slot.ID) slot.ID {
	for _, p := range m.Peers {
		if _, there := slices.BinarySearch(others, p.ID); !there && !m.replaced(p.ID) {
			return p.ID
		}
	}
	return 0
}

// replaced reports whether another identity has a member's address: the member's process has ended.
func (m *Machine) replaced(id slot.ID) bool {
	member, known := m.owner.Lookup(id)
	return known && (member.Addr == m.Addr || slices.ContainsFunc(m.Peers, func(p *step.Peer) bool {
		return p.ID != id && p.Addr == member.Addr && p.State == swim.Alive
	}))
}

// giveWord gives this member's word to a founder, or withdraws it (zero).
func (m *Machine) giveWord(to slot.ID) {
	f := &m.founding
	if f.given != to {
		f.given, f.to, f.after = to, 0, m.NextPersist()
		m.Changes = append(m.Changes, wordChange(to))
	}
}

func wordChange(to slot.ID) contract.Change {
	if to == 0 {
		return contract.Change{Key: schema.KeyWord}
	}
	b := binary.LittleEndian.AppendUint64([]byte{schema.Format}, uint64(to))
	return contract.Change{Key: schema.KeyWord, Value: schema.Seal(schema.KeyWord, b)}
}

// reconsider withdraws the word from a founder that cannot found any more: it is gone, or another identity has its
// address.
func (m *Machine) reconsider() {
	to := m.founding.given
	if to == 0 || to == m.Self {
		return
	}
	if member, known := m.owner.Lookup(to); known && member.State.Gone() || m.replaced(to) {
		m.giveWord(0)
	}
}

// abandonFounding ends this member's own attempt: the words given to it no longer count.
func (m *Machine) abandonFounding() {
	f := &m.founding
	if f.attempt != 0 {
		for _, p := range m.Peers {
			m.Send(contract.TransportFrame, p.Addr, 0, m.Frame(wire.KindWordBack, &wire.Word{Attempt: f.attempt}))
		}
	}
	f.attempt, f.words = 0, nil
	if f.given == m.Self {
		m.giveWord(0)
	}
}

// endFounding clears the state of the founding: there is a configuration.
func (m *Machine) endFounding() {
	if m.founding.given != 0 {
		m.Changes = append(m.Changes, wordChange(0))
	}
	m.founding = founding{}
}

// HandleWordAsk gives a founder this member's word.
func (m *Machine) HandleWordAsk(from *step.Peer, in *wire.Word) error {
	attempt := in.Attempt
	if m.InForce != nil {
		m.sendConfig(from)
		return nil
	}
	if m.owner.Options().Founded {
		return nil
	}
	f := &m.founding
	m.reconsider()
	if f.given == m.Self && from.Addr < m.Addr {
		m.Log(contract.LogInfo, "another member founds the cluster", "member", from.ID.String(), "addr", from.Addr)
		m.abandonFounding()
	}
	if f.given == 0 {
		m.giveWord(from.ID)
	}
	if f.given == from.ID {
		f.to = attempt
		m.Send(contract.TransportFrame, from.Addr, f.after, m.Frame(wire.KindWord, &wire.Word{Attempt: attempt}))
	}
	return nil
}

// HandleWord counts a member's word.
func (m *Machine) HandleWord(from *step.Peer, in *wire.Word) error {
	f := &m.founding
	switch {
	case m.InForce != nil:
	case f.attempt == 0:
		m.Send(contract.TransportFrame, from.Addr, 0, m.Frame(wire.KindWordBack, &wire.Word{Attempt: in.Attempt}))
	// else the word is for an attempt that was given up, or of a former run: the member is asked again.
	case in.Attempt == f.attempt:
		f.words = slot.InsertID(f.words, from.ID)
		m.foundWith(f.words)
	}
	return nil
}

// HandleWordBack releases this member from its word, if it was given to that attempt and not to another since.
func (m *Machine) HandleWordBack(from *step.Peer, in *wire.Word) error {
	if f := &m.founding; m.InForce == nil && f.given == from.ID && f.to == in.Attempt {
		m.giveWord(0)
	}
	return nil
}

// recoverWord reads to which founder a former run gave its word.
func (m *Machine) recoverWord() error {
	r, err := m.ReadMeta(schema.KeyWord)
	if err != nil {
		return fmt.Errorf("recover founding: %w", err)
	}
	if r == nil {
		return nil
	}
	m.founding.given = slot.ID(r.U64())
	if r.End() != nil {
		return fmt.Errorf("recover founding: impossible content: %w", codec.ErrCorrupt)
	}
	return nil
}

// unfounded explains why there is no configuration yet.
func (m *Machine) unfounded() string {
	expected := m.Expected()
	if to := m.founding.given; to != 0 && to != m.Self && len(m.Roster) >= expected {
		return fmt.Sprintf("the cluster is not founded yet: this member waits for %s to found it; "+
			"start that one, or remove it from the cluster", m.owner.MemberName(to))
	}
	var living []slot.ID
	for _, p := range m.Peers {
		if !p.Dead() {
			living = append(living, p.ID)
		}
	}
	if id := m.unheard(living); id != 0 {
		return fmt.Sprintf("the cluster is not founded yet: %s cannot be reached, and may know of a founding; "+
			"start it, or remove it from the cluster", m.owner.MemberName(id))
	}
	if len(m.Roster) >= expected {
		return fmt.Sprintf("the cluster is not founded yet: all %d expected members are known, and agree on it now; "+
			"try again in a moment", expected)
	}
	way := "set expected_members"
	if m.owner.Options().ExpectedMembers == 1 {
		way = "take the seeds out of the file of the first member: expected_members: 1 is for a node without seeds"
	}
	return fmt.Sprintf("the cluster is not founded yet: all %d expected members have to be up once, %d are "+
		"known here; start them, or %s", expected, len(m.Roster), way)
}
