package watching

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"kvs/node/watch"
)

// flushBytes is how much is gathered before it is written.
const flushBytes = 32 << 10

// buffers are those of streams that have something to write: a stream that waits has none.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// bufferBytesMax is the largest buffer that is used again.
const bufferBytesMax = 256 << 10

// writer writes events in the form of the HTML standard, section 9.2, in chunks of HTTP (RFC 9112 section 7.1).
type writer struct {
	conn    Conn
	timeout time.Duration
	values  bool          // events bring the values.
	buf     *bytes.Buffer // nil: it is empty.
	failed  bool          // the connection is of no use any more.
}

func newWriter(conn Conn, timeout time.Duration, values bool) *writer {
	return &writer{conn: conn, timeout: timeout, values: values}
}

func (w *writer) buffer() *bytes.Buffer {
	if w.buf == nil {
		w.buf = buffers.Get().(*bytes.Buffer)
	}
	return w.buf
}

// release gives the empty buffer back.
func (w *writer) release() {
	if w.buf != nil && w.buf.Cap() <= bufferBytesMax {
		w.buf.Reset()
		buffers.Put(w.buf)
	}
	w.buf = nil
}

// retryMillis is how long a browser waits before it comes again.
const retryMillis = 1000

// begin tells the client at once that it is heard.
func (w *writer) begin() error {
	fmt.Fprintf(w.buffer(), "retry: %d\n\n", retryMillis)
	return w.flush()
}

func (w *writer) event(ev *watch.Event) error {
	doc, err := json.Marshal(Document(ev, w.values))
	if err != nil {
		return err
	}
	return w.write(ev.Kind, ev.Token, doc)
}

func (w *writer) write(kind watch.Kind, token watch.Token, doc []byte) error {
	b := w.buffer()
	b.WriteString("event: " + kind.String() + "\nid: " + token.String() + "\ndata: ")
	b.Write(doc)
	b.WriteString("\n\n")
	if b.Len() < flushBytes {
		return nil
	}
	return w.flush()
}

// last ends the stream.
func (w *writer) last(token watch.Token, why error) error {
	ev := Document(&watch.Event{Kind: watch.Bookmark}, false)
	ev.Reason = reason(why)
	doc, err := json.Marshal(ev)
	if err == nil {
		err = w.write(watch.Bookmark, token, doc)
	}
	if err == nil {
		err = w.flush()
	}
	if err == nil {
		_, err = w.conn.Write([]byte("0\r\n\r\n"))
	}
	return err
}

func (w *writer) flush() error {
	if w.buf == nil || w.buf.Len() == 0 {
		return nil
	}
	head := fmt.Appendf(nil, "%x\r\n", w.buf.Len())
	w.buf.WriteString("\r\n")
	err := w.conn.SetWriteDeadline(time.Now().Add(w.timeout))
	if err == nil {
		_, err = w.conn.Write(append(head, w.buf.Bytes()...))
	}
	w.failed = err != nil
	w.buf.Reset()
	return err
}
