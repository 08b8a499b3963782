package swim

import (
	"errors"
	"fmt"
)

// Speaker is the member that has sent a message over a stream: the sender that its envelope names, and, where streams
// prove something, the name that its sender has proved.
//
// An identity is drawn at the first start of a member, after its certificate was made, so a certificate holds a name
// and no ID. Names belong to identities as follows. A member is first learned, from itself or from another member,
// under an ID and a name. With Config.NamesFixed this ID has that name for good: in the table, and in the address book
// over restarts. A message over a stream counts only if the name of its sender is the name that the stream has proved.
// So a member with a certificate cannot speak for an identity that others know by another name. It can still be the
// first to announce an identity that others do not know: then the true member of that identity is refused, which is
// logged.
type Speaker struct {
	ID   ID     // zero: there is no envelope.
	Name string // empty: nothing was proved.
}

// ErrImpostor says that a message was sent in the name of another member.
var ErrImpostor = errors.New("message in the name of another member")

// vet refuses a message whose sender is not its speaker.
func (s Speaker) vet(in *packet) error {
	if s.ID != 0 && in.sender != s.ID {
		return fmt.Errorf("%w: the envelope is that of %v, the message that of %v", ErrImpostor, s.ID, in.sender)
	}
	if s.Name == "" {
		return nil
	}
	if in.self.id == s.ID && string(in.self.name) != s.Name {
		return s.notNamed(string(in.self.name))
	}
	for i := range in.rumours {
		if r := &in.rumours[i]; r.id == s.ID && string(r.name) != s.Name {
			return s.notNamed(string(r.name))
		}
	}
	return nil
}

func (s Speaker) notNamed(name string) error {
	return fmt.Errorf("%w: the sender %v is %.300q, and its certificate is that of %.300q",
		ErrImpostor, s.ID, name, s.Name)
}

// Vet refuses a speaker that is known under another name than the proved one.
func (m *Machine) Vet(s Speaker) error {
	if s.Name == "" {
		return nil
	}
	if known, ok := m.Lookup(s.ID); ok && known.Name != "" && known.Name != s.Name {
		return s.notNamed(known.Name)
	}
	return nil
}

// renames reports whether a claim gives p another name, when p has one.
func renames(r *rumour, p *peer) bool { return p.Name != "" && string(r.name) != p.Name }
