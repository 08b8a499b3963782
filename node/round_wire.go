package node

import "encoding/binary"

// The messages of rounds. A question is {round u64, epoch u64, path, ballot}; an answer repeats the round.
//
//	prepare    question
//	look       question, the ballot zero
//	accept     question, stored slot that holds nothing but the record under that ballot
//	promised   round u64, epoch u64, ok u8, ballot that stands against it, slot length u32 (0: nothing is held), stored slot
//	accepted   round u64, epoch u64, ok u8, ballot that stands against it
//
// The path of an answer is that of the question, which the proposer knows.

// question is what a proposer asks the voters.
type question struct {
	round  uint64
	epoch  uint64
	path   string
	ballot Ballot
}

func (n *Node) beginQuestion(kind msgKind, q *question, more int) []byte {
	b := n.beginEnvelope(kind, 16+2+len(q.path)+ballotBytes+more)
	b = binary.LittleEndian.AppendUint64(b, q.round)
	b = binary.LittleEndian.AppendUint64(b, q.epoch)
	return appendBallot(appendString(b, q.path), q.ballot)
}

func readQuestion(r *wireReader) question {
	q := question{round: r.u64(), epoch: r.u64()}
	q.path = r.roundPath(q.epoch)
	q.ballot = r.ballot()
	return q
}

func (n *Node) encodePrepare(q *question) []byte {
	return sealEnvelope(n.beginQuestion(msgPrepare, q, 0))
}
func (n *Node) encodeLook(q *question) []byte { return sealEnvelope(n.beginQuestion(msgLook, q, 0)) }

func (n *Node) encodeAccept(q *question, c *Consensus) []byte {
	slot := Slot{Consensus: c}
	record := EncodeSlot(q.path, &slot)
	return sealEnvelope(append(n.beginQuestion(msgAccept, q, len(record)), record...))
}

func decodePrepare(body []byte) (q question, err error) {
	r := wireReader{b: body}
	q = readQuestion(&r)
	return q, r.end()
}

func decodeAccept(body []byte) (q question, c *Consensus, err error) {
	r := wireReader{b: body}
	q = readQuestion(&r)
	if r.bad {
		return q, nil, ErrBadMessage
	}
	slot, err := DecodeSlot(q.path, r.b)
	if err != nil || slot.TS != 0 || !slot.Consensus.accepted() || slot.Consensus.Ballot != q.ballot || slot.Consensus.Promised != q.ballot ||
		slot.Consensus.Weak || slot.Consensus.Blind {
		return q, nil, ErrBadMessage
	}
	return q, slot.Consensus, nil
}

// answer is what a voter says to a question.
type answer struct {
	round    uint64
	epoch    uint64
	ok       bool
	promised Ballot
	record   []byte // of a promise or a look; shares the message's memory, not checked yet.
}

func (n *Node) beginAnswer(kind msgKind, q question, v *vote, more int) []byte {
	b := n.beginEnvelope(kind, 17+ballotBytes+more)
	b = binary.LittleEndian.AppendUint64(b, q.round)
	b = binary.LittleEndian.AppendUint64(b, q.epoch)
	if v.ok {
		b = append(b, 1)
	} else {
		b = append(b, 0)
	}
	return appendBallot(b, v.promised)
}

func (n *Node) encodePromised(q question, v *vote) []byte {
	b := n.beginAnswer(msgPromised, q, v, 4+len(v.record))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(v.record)))
	return sealEnvelope(append(b, v.record...))
}

func (n *Node) encodeAccepted(q question, v *vote) []byte {
	return sealEnvelope(n.beginAnswer(msgAccepted, q, v, 0))
}

func readAnswer(r *wireReader) answer {
	a := answer{round: r.u64(), epoch: r.u64()}
	ok := r.u8()
	a.ok, a.promised = ok == 1, r.ballot()
	r.bad = r.bad || ok > 1
	return a
}

func decodePromised(body []byte) (a answer, err error) {
	r := wireReader{b: body}
	a = readAnswer(&r)
	if size := int(r.u32()); size > 0 {
		a.record = r.take(size)
	}
	return a, r.end()
}

func decodeAccepted(body []byte) (a answer, err error) {
	r := wireReader{b: body}
	a = readAnswer(&r)
	return a, r.end()
}

// roundPath reads the path of a round: one that a client may name, or the register of the next configuration.
func (r *wireReader) roundPath(epoch uint64) string {
	p := string(r.take(int(r.u16())))
	if !r.bad && CheckPath(p) != nil && p != configPath(epoch) {
		r.bad = true
	}
	return p
}
