package step

import "kvs/node/wire"

// Handler takes in one kind of messages for a machine. A new kind of messages needs a row with a codec in node/wire,
// and a Handler among those that its machine returns.
type Handler struct {
	Kind wire.Kind
	// Handle decodes a message from a member and takes it in. Errors describe what is wrong with the message, or wrap
	// ErrRead.
	Handle func(from *Peer, body []byte) error
	// Body is a nil pointer of the messages' body type, for tests: it has to agree with the row of the kind.
	Body wire.Body
}

// On returns the Handler of a kind whose body is an M.
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

// OnAgain is On with memory that each message is decoded into: Decode has to set every field, and the handler keeps
// nothing of the message but what shares the memory of its body.
func OnAgain[M any, B interface {
	*M
	wire.Body
}](kind wire.Kind, memory B, handle func(from *Peer, m B) error) Handler {
	h := On(kind, handle)
	h.Handle = func(from *Peer, body []byte) error {
		if err := memory.Decode(body); err != nil {
			return err
		}
		return handle(from, memory)
	}
	return h
}
