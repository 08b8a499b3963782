package rest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/api"
	"kvs/node/host/budget"
	"kvs/node/slot"
)

// begin sends a PUT or a batch of announced bytes, as far as sent.
func (s *site) begin(head string, announced, sent int) net.Conn {
	s.t.Helper()
	c := s.dial()
	_, err := fmt.Fprintf(c, "%s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", head, announced,
		strings.Repeat("x", sent))
	require.NoError(s.t, err)
	return c
}

// Connections that announce much and send little hold little: 64 times 8 MiB took 512 MiB.
func TestAnnouncedBodiesTakeNoMemory(t *testing.T) {
	const conns, sent = 64, budget.SmallBytes + 1
	for head, room := range map[string]func(*Server) *budget.Bytes{
		"PUT /kv/a":              func(s *Server) *budget.Bytes { return &s.bodies },
		"POST " + api.PathFrames: func(s *Server) *budget.Bytes { return &s.batches },
	} {
		s := newSite(t, func(o *Options) { o.ValueBytesMax = slot.ValueBytesHardMax })
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		for range conns {
			s.begin(head, slot.ValueBytesHardMax, sent)
		}
		require.Eventually(t, func() bool {
			return room(s.server).Used() == conns*2*budget.SmallBytes
		}, time.Minute, time.Millisecond)
		runtime.ReadMemStats(&after)
		require.Less(t, int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(32<<20), head)
	}
}

// The sum of the bodies is bounded: what exceeds it is refused for certain, and the rest goes on.
func TestSumOfBodiesIsBounded(t *testing.T) {
	s := newSite(t, func(o *Options) { o.ValueBytesMax = slot.ValueBytesHardMax })
	s.server.bodies.Max = 1 << 20
	const size = 800 << 10
	slow := s.begin("PUT /kv/slow", size, 600<<10)
	require.Eventually(t, func() bool { return s.server.bodies.Used() > 600<<10 }, time.Minute, time.Millisecond)

	second := s.begin("PUT /kv/second", size, size)
	resp, err := http.ReadResponse(bufio.NewReader(second), nil)
	require.NoError(t, err)
	r := readReply(t, resp)
	require.Equal(t, http.StatusServiceUnavailable, r.status)
	require.Equal(t, "1", r.header.Get("Retry-After"))
	require.Contains(t, r.body, `"code":"overloaded"`)
	require.Contains(t, r.body, `"outcome":"not_applied"`)
	require.Equal(t, http.StatusCreated, s.do("PUT", "/kv/small", "v").status, "small values are taken all the while")

	_, err = io.WriteString(slow, strings.Repeat("x", size-600<<10))
	require.NoError(t, err)
	resp, err = http.ReadResponse(bufio.NewReader(slow), nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusCreated, readReply(t, resp).status)
	require.Zero(t, s.server.bodies.Used(), "what was held is given back")
	require.Len(t, s.core.taken(), 2)
}

// A body that is cut short is never taken for a whole one, also when its sender was told to go on.
func TestBodyCutShortAfterContinue(t *testing.T) {
	for _, framing := range []string{"Content-Length: 20000", "Transfer-Encoding: chunked"} {
		s := newSite(t, func(o *Options) { o.ValueBytesMax = 1 << 20 })
		c := s.dial()
		_, err := fmt.Fprintf(c, "PUT /kv/a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n%s\r\n\r\n", framing)
		require.NoError(t, err)
		in := bufio.NewReader(c)
		line, err := in.ReadString('\n')
		require.NoError(t, err)
		require.Contains(t, line, "100 Continue")
		if strings.HasPrefix(framing, "Transfer") {
			_, err = fmt.Fprintf(c, "2\r\nab\r\n")
		} else {
			_, err = io.WriteString(c, strings.Repeat("x", 10_000))
		}
		require.NoError(t, err)
		require.NoError(t, c.(*net.TCPConn).CloseWrite())
		_, err = in.ReadString('\n')
		require.NoError(t, err)
		resp, err := http.ReadResponse(in, nil)
		require.NoError(t, err)
		require.Equal(t, api.NotApplied, readReply(t, resp).problem(api.BadRequest).Outcome, framing)
		require.Empty(t, s.core.taken())
	}
}
