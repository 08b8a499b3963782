package membership

import (
	"encoding/binary"
	"fmt"

	"kvs/node/codec"
	"kvs/node/contract"
	"kvs/node/schema"
	"kvs/node/slot"
	"kvs/node/swim"
)

// The record m/members is the address book: the members to dial after a restart, and those that are gone for good, this
// node included if it is gone. Format 2 (format 1 had no `gone`, and held no member that is):
//
//	count u32, {id u64, born u64, state u8, gone u64, name string, addr string}
//
// State is that of swim.State when the book was written. Gone is the time at which a member left or was removed, in
// milliseconds since the Unix epoch, and zero for all others. The gone come first: a book that is too large is cut at
// its end, and addresses are hints that gossip brings again, while a removal has to be known before the first message.
const (
	bookFormat    = 2
	bookMemberMin = 8 + 8 + 1 + 2 + 2
)

func (m *Machine) bookChange() contract.Change {
	return EncodeBook(m.swim.Members(), m.Self, m.Tuning.MembersBytesMax)
}

// EncodeBook makes the record of a table; self is in it only if it is gone.
func EncodeBook(members []swim.Member, self slot.ID, bytesMax int) contract.Change {
	b := []byte{bookFormat, 0, 0, 0, 0}
	count := uint32(0)
	for _, gone := range []bool{true, false} {
		for i := range members {
			member := &members[i]
			skip := member.State.Gone() != gone || member.ID == self && !gone
			if skip || len(b) > bytesMax ||
				len(member.Name) > slot.PathBytesMax || len(member.Addr) > slot.PathBytesMax {
				continue
			}
			b = binary.LittleEndian.AppendUint64(b, uint64(member.ID))
			b = binary.LittleEndian.AppendUint64(b, member.Born)
			b = append(b, byte(member.State))
			b = binary.LittleEndian.AppendUint64(b, member.GoneAt)
			b = codec.AppendString(codec.AppendString(b, member.Name), member.Addr)
			count++
		}
	}
	binary.LittleEndian.PutUint32(b[1:], count)
	return contract.Change{Key: schema.KeyMembers, Value: schema.Seal(schema.KeyMembers, b)}
}

// StoredBook is the address book in a store, of at most bytesMax bytes; empty: it holds none.
func StoredBook(store contract.Reader, bytesMax int) ([]swim.Member, error) {
	b, known, err := store.Get(schema.KeyMembers)
	if err != nil || !known {
		return nil, err
	}
	r, format, err := schema.OpenUpTo(schema.KeyMembers, b, bookFormat)
	if err != nil {
		return nil, err
	}
	book, ok := decodeBook(r, format, bytesMax)
	if !ok {
		return nil, fmt.Errorf("recover member table: impossible content: %w", codec.ErrCorrupt)
	}
	return book, nil
}

func decodeBook(r *codec.Reader, format byte, bytesMax int) (book []swim.Member, ok bool) {
	count := r.Count(bytesMax, bookMemberMin)
	book = make([]swim.Member, 0, count)
	for range count {
		m := swim.Member{ID: slot.ID(r.U64()), Born: r.U64(), State: swim.State(r.U8())}
		if format > 1 {
			m.GoneAt = r.U64()
		}
		m.Name = string(r.Take(int(r.U16())))
		m.Addr = string(r.Take(int(r.U16())))
		if format == 1 && m.State.Gone() || m.State > swim.Removed || m.State.Gone() != (m.GoneAt != 0) {
			r.Fail()
		}
		book = append(book, m)
	}
	return book, r.End() == nil
}
