package relive

import (
	"errors"

	"kvs/node/recorder"
	"kvs/node/slot"
)

// Rewrite makes a recording with other values, as if the node had been given those: what a recording says of effects
// are sums over the values too, and so are made anew, by the core that is run with the other values. All that can be
// compared then is the shape of the effects (recorder.Mark.Shape); what was found out with the values themselves has to
// be in Checked.
type Rewrite struct {
	Values  slot.Replacer
	Checked recorder.Checked          // goes into each head. If it says so, the recording ends after its steps.
	Write   func(record []byte) error // takes a whole record, which is only lent.
}

// enough reports whether the rest of the recording is left out.
func (p *player) enough() bool {
	r := p.o.Rewrite
	return r != nil && r.Checked.Ended != "" && p.result.Steps >= r.Checked.Steps
}

// reviveRewritten replaces the values of the core that was revived.
func (p *player) reviveRewritten(h *recorder.Head) error {
	p.node.ReplaceValues(p.o.Rewrite.Values)
	image, err := p.node.Image(nil, 0)
	return errors.Join(err, p.rewriteHead(h, image))
}

func (p *player) rewriteHead(h *recorder.Head, image []byte) error {
	if p.o.Rewrite == nil {
		return nil
	}
	out := *h
	out.Hashed, out.Image = &p.o.Rewrite.Checked, image
	return p.o.Rewrite.Write(recorder.AppendHead(nil, &out))
}

func (p *player) rewriteStep(s *recorder.Step) error {
	by, out := p.o.Rewrite.Values, *s
	out.Input = p.node.ReplaceInput(s.Input, by)
	out.Reads = make([]recorder.Read, 0, len(s.Reads))
	for _, r := range s.Reads {
		out.Reads = append(out.Reads, r.Replaced(by))
	}
	p.step(&out)
	if p.result.Differs != nil {
		return nil
	}
	if !out.Broke {
		out.Effects = p.marks
	}
	return p.o.Rewrite.Write(recorder.AppendStep(nil, &out))
}
