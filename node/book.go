package node

import (
	"encoding/binary"
	"fmt"

	"kvs/node/swim"
)

// The record m/members is the address book: whom to dial after a restart, and who is gone for good, this node itself
// included when it is. Format 2 (format 1 had no `gone`, and held nobody who is):
//
//	count u32, {id u64, born u64, state u8, gone u64, name string, addr string}
//
// State is that of swim.State when the book was written. Gone is the time at which a member left or was removed, in
// milliseconds since the Unix epoch, and zero for all others. The gone come first: a book that is too large is cut at its end,
// and addresses are hints that gossip brings again, while a removal has to be known before the first word.
const (
	keyMembers    = prefixMeta + "members"
	bookFormat    = 2
	bookMemberMin = 8 + 8 + 1 + 2 + 2
)

func (n *Node) bookOp() Op {
	b := []byte{bookFormat, 0, 0, 0, 0}
	count := uint32(0)
	members := n.swim.Members()
	for _, gone := range []bool{true, false} {
		for i := range members {
			m := &members[i]
			skip := m.State.Gone() != gone || m.ID == n.id && !gone
			if skip || len(b) > n.tuning.MembersBytesMax || len(m.Name) > PathBytesMax || len(m.Addr) > PathBytesMax {
				continue
			}
			b = binary.LittleEndian.AppendUint64(b, uint64(m.ID))
			b = binary.LittleEndian.AppendUint64(b, m.Born)
			b = append(b, byte(m.State))
			b = binary.LittleEndian.AppendUint64(b, m.GoneAt)
			b = appendString(appendString(b, m.Name), m.Addr)
			count++
		}
	}
	binary.LittleEndian.PutUint32(b[1:], count)
	return Op{Key: keyMembers, Value: sealMeta(keyMembers, b)}
}

func (n *Node) recoverBook() ([]swim.Member, error) {
	b, known, err := n.store.Get(keyMembers)
	if err != nil || !known {
		return nil, err
	}
	r, format, err := openMetaUpTo(keyMembers, b, bookFormat)
	if err != nil {
		return nil, err
	}
	book, ok := decodeBook(r, format, n.tuning.MembersBytesMax)
	if !ok {
		return nil, fmt.Errorf("recover member table: impossible content: %w", ErrCorrupt)
	}
	return book, nil
}

func decodeBook(r *wireReader, format byte, bytesMax int) (book []swim.Member, ok bool) {
	count := r.count(bytesMax, bookMemberMin)
	book = make([]swim.Member, 0, count)
	for range count {
		m := swim.Member{ID: ID(r.u64()), Born: r.u64(), State: swim.State(r.u8())}
		if format > 1 {
			m.GoneAt = r.u64()
		}
		m.Name = string(r.take(int(r.u16())))
		m.Addr = string(r.take(int(r.u16())))
		if format == 1 && m.State.Gone() || m.State > swim.Removed || m.State.Gone() != (m.GoneAt != 0) {
			r.bad = true
		}
		book = append(book, m)
	}
	return book, r.end() == nil
}
