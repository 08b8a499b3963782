package transport

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/valyala/fasthttp"
)

// line is a connection that has not become a stream.
type line struct {
	conn net.Conn
	in   *bufio.Reader
	used time.Time // when its latest answer came.
}

// Bounds of a peer's answer.
const (
	responseBytesMax = 64 << 10 // a problem document.
	lineBufferBytes  = 4 << 10  // a header, and later reports.
)

// post sends one batch and returns what went wrong, which it also logs at intervals. isStream: the peer has granted a
// stream on the connection, and has taken the batch.
func (s *sender) post(taken []waiting) (isStream bool, err error) {
	resp := fasthttp.AcquireResponse()
	defer fasthttp.ReleaseResponse(resp)
	if err = s.exchange(taken, resp); err != nil {
		s.drop()
	}
	select {
	case <-s.f.closing:
		return false, err // the connection was broken on purpose.
	default:
	}
	switch code := resp.StatusCode(); {
	case err != nil:
		s.f.o.Resolver.Doubt(s.addr)
		s.complain("peer not reached", "error", err)
		return false, err
	case code == fasthttp.StatusSwitchingProtocols && string(resp.Header.Peek(fasthttp.HeaderUpgrade)) == Protocol:
		// A peer that is stopping grants the stream and closes the connection: it has taken the batch, and takes no
		// more.
		return s.line != nil, nil
	case code >= 200 && code < 300:
		return false, nil
	case code == fasthttp.StatusServiceUnavailable && bytes.Contains(resp.Body(), []byte(`"code":"starting"`)):
		s.complain("peer is starting")
		return false, errors.New("peer is starting")
	default:
		err := fmt.Errorf("peer answered %d", code)
		s.complain("peer refused frames", "status", code, "reason", excerpt(resp.Body()))
		return false, err
	}
}

// exchange sends a request and reads the answer, over the present connection or a new one.
func (s *sender) exchange(taken []waiting, resp *fasthttp.Response) error {
	if s.line != nil && time.Since(s.line.used) > s.f.o.ConnIdle {
		s.drop() // the peer may be about to close it.
	}
	if s.line == nil {
		conn, err := s.dial()
		if err != nil {
			return err
		}
		s.line = &line{conn: conn, in: bufio.NewReaderSize(conn, lineBufferBytes)}
	}
	l := s.line
	if err := l.conn.SetDeadline(time.Now().Add(s.f.o.AnswerTimeout)); err != nil {
		return err
	}
	if err := s.request(l.conn, taken); err != nil {
		return err
	}
	if err := resp.ReadLimitBody(l.in, responseBytesMax); err != nil {
		return err
	}
	if l.used = time.Now(); resp.ConnectionClose() {
		s.drop()
		return nil
	}
	return l.conn.SetDeadline(time.Time{})
}

// request writes the POST of a batch.
func (s *sender) request(w io.Writer, taken []waiting) error {
	frames := make([][]byte, len(taken))
	for i := range taken {
		frames[i] = taken[i].frame
	}
	req := fasthttp.AcquireRequest()
	defer fasthttp.ReleaseRequest(req)
	req.Header.SetNoDefaultContentType(true)
	req.Header.SetMethod(fasthttp.MethodPost)
	req.SetRequestURI("http://" + s.addr + Path)
	req.Header.SetContentType("application/octet-stream")
	req.Header.Set(fasthttp.HeaderConnection, fasthttp.HeaderUpgrade)
	req.Header.Set(fasthttp.HeaderUpgrade, Protocol)
	req.SetBodyRaw(appendBatch(nil, frames))
	_, err := req.WriteTo(w)
	return err
}

// excerptBytes is enough of an answer to see what is wrong.
const excerptBytes = 300

func excerpt(b []byte) string { return string(b[:min(len(b), excerptBytes)]) }
