package driver

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
)

// bodyBytesMax bounds the body of an answer.
const bodyBytesMax = 16 << 20

// Web speaks HTTP to one node.
type Web struct {
	base   string
	client http.Client
}

// Answer is an answer over HTTP.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// NewWeb returns a client of the node at endpoint: host:port.
func NewWeb(endpoint string) *Web {
	return &Web{base: "http://" + endpoint, client: http.Client{
		Transport: &http.Transport{MaxConnsPerHost: 1, DisableCompression: true}, // and no proxy.
		// the redirection is an answer of its own: another node is another client's business.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Do sends one request to a path, which begins with a slash. An answer of any status is no error. The request is not
// sent twice: the standard library repeats only what it has not begun to send, and reads.
func (w *Web) Do(ctx context.Context, method, path string, header http.Header, body []byte) (Answer, error) {
	r, err := http.NewRequestWithContext(ctx, method, w.base+path, bytes.NewReader(body))
	if err != nil {
		return Answer{}, NotDone(err)
	}
	for name, values := range header {
		r.Header[name] = values
	}
	answer, err := w.client.Do(r)
	if err != nil {
		return Answer{}, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, bodyBytesMax))
	if err != nil {
		return Answer{}, fmt.Errorf("the answer broke off: %w", err)
	}
	return Answer{answer.StatusCode, answer.Header, text}, nil
}

// Close ends the connection.
func (w *Web) Close() { w.client.CloseIdleConnections() }

// excerptBytesMax bounds what an error shows of a body.
const excerptBytesMax = 200

// String is the answer for people.
func (a Answer) String() string {
	return fmt.Sprintf("status %d: %.*s", a.Status, excerptBytesMax, bytes.TrimSpace(a.Body))
}
