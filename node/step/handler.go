package step

import "kvs/node/wire"

// Handler says that a machine takes in one kind of messages. A new kind of messages is two things: a row with a codec
// in node/wire, and a Handler among those that its machine returns.
type Handler struct {
	Kind wire.Kind
	// Handle decodes a message from a member and takes it in. Errors say what is wrong with the message, or wrap
	// ErrRead.
	Handle func(from *Peer, body []byte) error
	// Body is a nil pointer to what the messages carry, for tests: it has to be what the row of the kind says.
	Body wire.Body
}

// On is the Handler of a kind whose messages carry an M.
func On[M any, B interface {
	*M
	wire.Body
}](kind wire.Kind, handle func(from *Peer, m B) error) Handler {
	return Handler{
		Kind: kind,
		Body: B(nil),
		Handle: func(from *Peer, body []byte) error {
			m := B(new(M))
			if err := m.Decode(body); err != nil {
				return err
			}
			return handle(from, m)
		},
	}
}
