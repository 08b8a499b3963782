package node

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"kvs/node/swim"
)

// How a cluster comes by its first configuration.
//
// One member founds: the one whose address is the lowest of those behind the addresses in its own configuration, seeds and itself. When all
// members that it has heard of are up, and as many as it expects, it asks them for their word. Who has no configuration gives its word to one
// founder alone, and has it on disk before it says so. With the words of all of them they become the voters of epoch 1.
//
// Unless somebody said how many they are (Options.ExpectedMembers), those who answer at the addresses in the founder's configuration have to be
// among them: two files that have an address in common lead to foundings that have a member in common.
//
// Two members may both take themselves for the founder, because their files name different seeds. So a founder that is asked for its word by a
// member with a lower address, before it has founded, gives up: it forgets the words that it has, gives those who gave them their word back, and
// gives the other one its own. A word that was given back counts nowhere, since it names the attempt that it was given to. Hence two
// foundings with a member in common cannot both succeed, and one of them does once all can talk.
//
// Asking all, not a majority, and those that are dead as well, is on purpose: a founder that lost its disk after founding would otherwise found a
// second cluster with those that had not heard of the first. Who is gone, or in whose place another one lives, is not asked, and a word for it
// binds nobody.
type founding struct {
	next    time.Duration // when those without a configuration ask again.
	attempt uint64        // of this member as the founder; zero: it has not asked for words yet.
	words   []ID          // members that gave theirs to the attempt, sorted; this one is not among them.
	given   ID            // whom this member has given its word, durably; zero: nobody.
	to      uint64        // the attempt that it was given to; zero: one that a former run knew.
	after   PersistID     // of that.
}

const (
	foundingInterval = 500 * time.Millisecond
	keyWord          = prefixMeta + "word" // format u8, ID of the founder u64; sealed.
)

// tickConfig looks for a configuration while there is none.
func (n *Node) tickConfig() {
	f := &n.founding
	if n.config != nil || n.now.Mono < f.next {
		return
	}
	f.next = n.now.Mono + foundingInterval
	n.found()
	if n.config != nil {
		return
	}
	for _, p := range n.peers {
		n.askConfig(p)
		if p.id == f.given { // has it given up, and the word back was lost?
			n.send(TransportFrame, p.addr, f.after, n.encodeWord(msgWord, f.to))
		}
	}
}

// askConfig asks a member for the configuration: when it is met, and again in every interval.
func (n *Node) askConfig(p *peer) {
	if !p.dead() {
		n.send(TransportFrame, p.addr, 0, n.encodeConfigAsk())
	}
}

// wantConfig is called when a member is met, or returns.
func (n *Node) wantConfig(p *peer) {
	if n.config == nil {
		n.askConfig(p)
		n.found()
	}
}

// expected is how many members form the cluster. Unless somebody said so, it counts who is behind the addresses that this node has: an address
// at which the node itself answers, or one of two at which the same member does, is not another member.
func (n *Node) expected() int {
	if n.opts.ExpectedMembers != 0 {
		return n.opts.ExpectedMembers
	}
	ids := []ID{n.id}
	unknown := 0
	seeds := slices.Compact(slices.Sorted(slices.Values(n.opts.Seeds)))
	for _, s := range seeds {
		if id := n.behind(s); id != 0 {
			ids = insertID(ids, id)
		} else {
			unknown++
		}
	}
	return len(ids) + unknown
}

// behind is the member that answers at an address; zero: nobody has yet.
func (n *Node) behind(addr string) ID {
	if addr == n.addr {
		return n.id
	}
	for _, p := range n.peers {
		if p.addr == addr {
			return p.id
		}
	}
	return n.swim.Behind(addr)
}

// founds reports whether this member is the one to found the cluster.
func (n *Node) founds() bool {
	for _, s := range n.opts.Seeds {
		addr := s
		if id := n.behind(s); id == n.id {
			continue
		} else if p := n.peer(id); p != nil {
			addr = p.addr
		}
		if addr < n.addr {
			return false
		}
	}
	return true
}

// found goes on with this member's founding: it asks for words once all that are expected are up, and founds with them.
func (n *Node) found() {
	f := &n.founding
	n.reconsider()
	if !n.founds() || n.gone() || f.given != 0 && f.given != n.id {
		return
	}
	var living []ID
	for _, p := range n.peers {
		if !p.dead() {
			living = append(living, p.id)
		}
	}
	if !n.complete(living) {
		n.abandonFounding() // whoever is bound may be needed by another one.
		return
	}
	if f.attempt == 0 {
		n.batches++
		f.attempt = n.exchangeID(n.batches)
		n.giveWord(n.id)
	}
	if n.foundWith(f.words) {
		return
	}
	for _, p := range n.peers {
		if _, given := slices.BinarySearch(f.words, p.id); !given && !p.dead() {
			n.send(TransportFrame, p.addr, f.after, n.encodeWord(msgWordAsk, f.attempt))
		}
	}
}

// foundWith makes the first configuration if those who gave their words are enough.
func (n *Node) foundWith(words []ID) bool {
	var living []ID
	for _, id := range words {
		if p := n.peer(id); p != nil && !p.dead() {
			living = append(living, id)
		}
	}
	if !n.complete(living) {
		return false
	}
	voters := insertID(living[:min(len(living), VotersMax-1)], n.id) // of more, the others are promoted when there is room.
	n.log(LogInfo, "cluster founded", "voters", idStrings(voters))
	n.adopt(&Config{Epoch: 1, Founding: n.newUUID(), Voters: voters, Strong: n.opts.StrongPrefixes})
	n.announce()
	return true
}

// complete reports whether the founder and these others, sorted, are all that are expected, and all that it has heard of.
func (n *Node) complete(others []ID) bool {
	if len(others)+1 < n.expected() || n.unheard(others) != 0 {
		return false
	}
	return n.opts.ExpectedMembers != 0 || !slices.ContainsFunc(n.opts.Seeds, func(s string) bool {
		id := n.behind(s)
		_, there := slices.BinarySearch(others, id)
		return id != n.id && !there
	})
}

// unheard is a member that is not among these, and that may know what they do not; zero: there is none.
func (n *Node) unheard(others []ID) ID {
	for _, p := range n.peers {
		if _, there := slices.BinarySearch(others, p.id); !there && !n.replaced(p.id) {
			return p.id
		}
	}
	return 0
}

// replaced reports whether another identity lives at a member's address: its process is no more.
func (n *Node) replaced(id ID) bool {
	m, known := n.swim.Lookup(id)
	return known && (m.Addr == n.addr || slices.ContainsFunc(n.peers, func(p *peer) bool { return p.id != id && p.addr == m.Addr && p.state == swim.Alive }))
}

// giveWord binds this member to a founder, or to nobody.
func (n *Node) giveWord(to ID) {
	f := &n.founding
	if f.given != to {
		f.given, f.to, f.after = to, 0, n.nextPersist()
		n.ops = append(n.ops, wordOp(to))
	}
}

func wordOp(to ID) Op {
	if to == 0 {
		return Op{Key: keyWord}
	}
	return Op{Key: keyWord, Value: sealMeta(keyWord, binary.LittleEndian.AppendUint64([]byte{metaFormat}, uint64(to)))}
}

// reconsider takes the word back from one that cannot found any more: it is gone, or another identity lives at its address.
func (n *Node) reconsider() {
	to := n.founding.given
	if to == 0 || to == n.id {
		return
	}
	if m, known := n.swim.Lookup(to); known && m.State.Gone() || n.replaced(to) {
		n.giveWord(0)
	}
}

// abandonFounding ends this member's own attempt: what was promised to it counts nowhere any more.
func (n *Node) abandonFounding() {
	f := &n.founding
	if f.attempt != 0 {
		for _, p := range n.peers {
			n.send(TransportFrame, p.addr, 0, n.encodeWord(msgWordBack, f.attempt))
		}
	}
	f.attempt, f.words = 0, nil
	if f.given == n.id {
		n.giveWord(0)
	}
}

// endFounding forgets all of it: there is a configuration.
func (n *Node) endFounding() {
	if n.founding.given != 0 {
		n.ops = append(n.ops, wordOp(0))
	}
	n.founding = founding{}
}

// handleWordAsk gives a founder this member's word.
func (n *Node) handleWordAsk(from *peer, body []byte) error {
	attempt, err := decodeWord(body)
	if err != nil {
		return err
	}
	if n.config != nil {
		n.sendConfig(from)
		return nil
	}
	f := &n.founding
	n.reconsider()
	if f.given == n.id && from.addr < n.addr {
		n.log(LogInfo, "another member founds the cluster", "member", from.id.String(), "addr", from.addr)
		n.abandonFounding()
	}
	if f.given == 0 {
		n.giveWord(from.id)
	}
	if f.given == from.id {
		f.to = attempt
		n.send(TransportFrame, from.addr, f.after, n.encodeWord(msgWord, attempt))
	}
	return nil
}

// handleWord counts a member's word.
func (n *Node) handleWord(from *peer, body []byte) error {
	attempt, err := decodeWord(body)
	f := &n.founding
	switch {
	case err != nil || n.config != nil:
	case f.attempt == 0:
		n.send(TransportFrame, from.addr, 0, n.encodeWord(msgWordBack, attempt))
	case attempt == f.attempt: // else of one that was given up, or of a former run: it is asked again.
		f.words = insertID(f.words, from.id)
		n.foundWith(f.words)
	}
	return err
}

// handleWordBack frees this member of its word, if it was given to that attempt and not again since.
func (n *Node) handleWordBack(from *peer, body []byte) error {
	attempt, err := decodeWord(body)
	if f := &n.founding; err == nil && n.config == nil && f.given == from.id && f.to == attempt {
		n.giveWord(0)
	}
	return err
}

// recoverWord reads whom a former run gave its word.
func (n *Node) recoverWord() error {
	r, err := n.readMeta(keyWord)
	if err != nil {
		return fmt.Errorf("recover founding: %w", err)
	}
	if r == nil {
		return nil
	}
	n.founding.given = ID(r.u64())
	if r.end() != nil {
		return fmt.Errorf("recover founding: impossible content: %w", ErrCorrupt)
	}
	return nil
}

// unfounded says why there is no configuration yet.
func (n *Node) unfounded() string {
	expected := n.expected()
	if to := n.founding.given; to != 0 && to != n.id && len(n.roster) >= expected {
		return fmt.Sprintf("the cluster is not founded yet: this member waits for %s to found it; start that one, or remove it from the cluster", n.memberName(to))
	}
	var living []ID
	for _, p := range n.peers {
		if !p.dead() {
			living = append(living, p.id)
		}
	}
	if id := n.unheard(living); id != 0 {
		return fmt.Sprintf("the cluster is not founded yet: %s cannot be reached, and may know of a founding; start it, or remove it from the cluster", n.memberName(id))
	}
	if len(n.roster) >= expected {
		return fmt.Sprintf("the cluster is not founded yet: all %d expected members are known, and agree on it now; try again in a moment", expected)
	}
	return fmt.Sprintf("the cluster is not founded yet: all %d expected members have to be up once, %d are known here; start them, or set expected_members",
		expected, len(n.roster))
}
