package wire

import (
	"fmt"

	"kvs/node/codec"
)

// Kind is the number of a kind of messages, the second byte of the envelope. A number is never used for anything else.
type Kind uint8

// Subject is what messages of a kind are about.
type Subject uint8

const (
	SubjectMembers       Subject = iota + 1 // membership.
	SubjectRecords                          // records that a member passes on.
	SubjectComparison                       // the comparison of two members by hash tree.
	SubjectQuorum                           // operations at the quorum level.
	SubjectRounds                           // operations at the linearizable level.
	SubjectConfiguration                    // the voters, and the catch-up of a new voter.
	SubjectBootstrap                        // the records that a newcomer pulls.
	SubjectTombstones                       // the end of tombstones.
	SubjectHearsay                          // whether a member has sealed a message that came in its name.
)

// Row describes one kind of messages. The machine that takes it in is in that machine's step.Handler.
type Row struct {
	Kind      Kind
	Name      string // for traces and reports.
	About     Subject
	Operation bool // it belongs to an operation of a client, or carries its result.
	// the effects of one such message would last: it is confirmed before it is believed, see node/hearsay.
	Lasts bool

	body func() Body // an empty one, to decode into.
}

// of returns an empty body of the type M.
func of[M any, B interface {
	*M
	Body
}]() Body {
	return B(new(M))
}

// rows is the table, by kind; a number that is not used has an empty row.
var rows = func() (table [256]Row) {
	for _, group := range [...][]Row{memberRows, recordRows, comparisonRows, quorumRows, bootstrapRows, tombstoneRows,
		roundRows, forwardRows, descentRows, configRows, epochRows, hearsayRows} {
		for _, r := range group {
			table[r.Kind] = r
		}
	}
	return table
}()

// Rows returns the row of every kind, in the order of their numbers.
func Rows() []Row {
	var out []Row
	for _, r := range rows {
		if r.Kind != 0 {
			out = append(out, r)
		}
	}
	return out
}

// String is the name of the kind, or its number when there is no such kind.
func (k Kind) String() string {
	if name := rows[k].Name; name != "" {
		return name
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// NewBody returns an empty body of this kind; nil: there is no such kind.
func (k Kind) NewBody() Body {
	if rows[k].body == nil {
		return nil
	}
	return rows[k].body()
}

// Decode reads a body of this kind into new memory. Errors wrap codec.ErrBadMessage: what was read is not such a body,
// or there is no such kind.
func (k Kind) Decode(body []byte) (Body, error) {
	m := k.NewBody()
	if m == nil {
		return nil, codec.ErrBadMessage
	}
	if err := m.Decode(body); err != nil {
		return nil, err
	}
	return m, nil
}

// Compares reports whether messages of this kind belong to the comparison of two members.
func (k Kind) Compares() bool { return rows[k].About == SubjectComparison }

// Lasts reports whether the effects of one message of this kind would last.
func (k Kind) Lasts() bool { return rows[k].Lasts }

// FrameName is the kind of a frame in words, for traces.
func FrameName(frame []byte) string {
	if len(frame) < EnvelopeBytes {
		return "nothing"
	}
	return Kind(frame[1]).String()
}

// OfOperation reports whether a frame belongs to a client operation or carries its result: for worlds that treat such
// frames differently from background traffic. It reads the kind alone, and does not check the seal.
func OfOperation(frame []byte) bool { return len(frame) >= EnvelopeBytes && rows[frame[1]].Operation }

// KindOf is the kind of a frame; zero: it is none. It reads the kind alone, and does not check the seal.
func KindOf(frame []byte) Kind {
	if len(frame) < EnvelopeBytes {
		return 0
	}
	return Kind(frame[1])
}

// About is what messages of this kind are about; zero: there is no such kind.
func (k Kind) About() Subject { return rows[k].About }
