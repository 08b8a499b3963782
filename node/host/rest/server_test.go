package rest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/host/connections"
	"kvs/node/slot"
	"kvs/sim/memstore"
)

func TestOptionsAreChecked(t *testing.T) {
	core := &fakeCore{store: &lockedStore{store: memstore.New()}}
	for _, spoil := range []func(*Options){
		func(o *Options) { o.Core = nil }, func(o *Options) { o.Metrics = nil }, func(o *Options) {
			o.View = nil
		}, func(o *Options) { o.Log = nil },
		func(o *Options) { o.DefaultLevel = node.DefaultLevel }, func(o *Options) { o.RequestTimeout = 0 },
		func(o *Options) { o.ValueBytesMax = 0 }, func(o *Options) { o.ValueBytesMax = slot.ValueBytesHardMax + 1 },
		func(o *Options) { o.FramesBytesMax = node.FrameBytesMax - 1 }, func(o *Options) { o.ReadTimeout = -1 },
		func(o *Options) { o.StreamProtocol = "" },
	} {
		o := newOptions(core, io.Discard)
		spoil(&o)
		_, err := New(o)
		require.Error(t, err)
	}
}

func TestNoSuchRoute(t *testing.T) {
	s := newSite(t)
	for _, target := range []string{"/x", "/members", "/Status", "/status/", "/readyz/x", "/kv", "/metrics/"} {
		s.target("GET", target).problem(api.NoRoute)
	}
	require.Contains(t, s.target("GET", "/members").problem(api.NoRoute).Detail, "/members/")
	require.Contains(t, s.target("GET", "/kv").problem(api.NoRoute).Detail, "/kv/")
}

func TestMethods(t *testing.T) {
	s := newSite(t)
	for target, allowed := range map[string]string{
		"/kv/a": "DELETE, GET, HEAD, PATCH, PUT", "/status": "GET, HEAD",
		"/members/join": "POST", "/members/leave": "POST",
		"/members/00000000000000aa": "DELETE", api.PathFrames: "POST", "/": "GET, HEAD",
	} {
		for _, method := range []string{"TRACE", "PROPFIND", "get"} { // details_test.go has OPTIONS and PATCH.
			r := s.target(method, target)
			r.problem(api.BadMethod)
			methods := strings.Split(r.header.Get("Allow"), ", ")
			slices.Sort(methods)
			require.Equal(t, allowed, strings.Join(methods, ", "), "%s %s", method, target)
		}
	}
	s.target("PROPFIND", "/nowhere").problem(api.NoRoute)
}

// What is no HTTP, or too much of it, is answered in the same form as everything else.
func TestUnreadableRequests(t *testing.T) {
	s := newSite(t)
	s.raw("GET /kv/" + strings.Repeat("x", headerBytesMax) + " HTTP/1.1\r\nHost: x\r\n\r\n").problem(
		api.HeadersTooLarge)
	s.raw("PUT /kv/a HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", headerBytesMax) + "\r\n\r\n").problem(
		api.HeadersTooLarge)
	for _, text := range []string{
		"nonsense\r\n\r\n", "GET /kv/a HTTP/1.1\r\n\r\n", "PUT /kv/a HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
		"PUT /kv/a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
	} {
		s.raw(text).problem(api.BadRequest)
	}
	require.Empty(t, s.core.taken())
	require.NotContains(t, s.log.String(), "ERROR", "clients' mistakes are not the operator's")
}

// A request that comes a byte at a time, or not at all, does not keep its connection.
func TestSlowRequest(t *testing.T) {
	s := newSite(t, func(o *Options) { o.ReadTimeout = 50 * time.Millisecond })
	for _, text := range []string{
		"", "PUT /kv/a HT", "PUT /kv/a HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nslow"} {
		c := s.dial()
		_, err := io.WriteString(c, text)
		require.NoError(t, err)
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		require.NoError(t, err)
		require.Equal(t, api.NotApplied, readReply(t, resp).problem(api.RequestTimeout).Outcome)
	}
	require.Empty(t, s.core.taken())
}

func TestIdleConnectionIsClosed(t *testing.T) {
	s := newSite(t, func(o *Options) { o.IdleTimeout = 50 * time.Millisecond })
	c := s.dial()
	_, err := io.WriteString(c, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	b, err := io.ReadAll(c)
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(string(b), "HTTP/1.1"), "one answer, and then nothing but the end")
}

// ask sends one request on a connection and reads the answer, if there is one.
func ask(t *testing.T, c net.Conn, request string) reply {
	t.Helper()
	_, err := io.WriteString(c, request)
	require.NoError(t, err)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	require.NoError(t, err)
	return readReply(t, resp)
}

func get(target string) string { return "GET " + target + " HTTP/1.1\r\nHost: x\r\n\r\n" }

// Clients that take all connections neither silence the node to those who watch it nor cut it off from its peers.
func TestTooManyConnections(t *testing.T) {
	s := newSite(t, func(o *Options) { o.Connections = connections.Bounds{Clients: 2, Members: 1, Spares: 2} })
	first, second := s.dial(), s.dial()
	require.Equal(t, http.StatusNotFound, ask(t, first, get("/kv/a")).status)
	require.Equal(t, http.StatusNotFound, ask(t, second, get("/kv/a")).status)

	for _, target := range []string{"/livez", "/readyz", "/status", "/metrics"} {
		c := s.dial()
		r := ask(t, c, get(target))
		require.Equal(t, http.StatusOK, r.status, target)
		_, err := c.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF, "a spare place is for one question")
	}
	for range 3 {
		r := ask(t, s.dial(), "PUT /kv/a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nv")
		require.Equal(t, http.StatusServiceUnavailable, r.status)
		require.Equal(t, "1", r.header.Get("Retry-After"))
		require.Contains(t, r.body, `"code":"overloaded"`)
		require.Contains(t, r.body, `"outcome":"not_applied"`)
	}
	require.Empty(t, s.core.taken())

	batch := "POST " + api.PathFrames + " HTTP/1.1\r\nHost: x\r\nContent-Type: " + api.ContentTypeBinary +
		"\r\nContent-Length: 1\r\n\r\nb"
	peer := s.dial()
	for range 2 {
		require.Equal(t, http.StatusNoContent, ask(t, peer, batch).status, "a member's connection stays open")
	}
	require.Equal(t, http.StatusServiceUnavailable, ask(t, s.dial(), batch).status, "members have a bound, too")

	require.NoError(t, first.Close())
	require.Eventually(t, func() bool { return s.server.Open() == 2 }, time.Minute, time.Millisecond)
	third := s.dial()
	for range 2 {
		require.Equal(t, http.StatusNotFound, ask(t, third, get("/kv/a")).status)
	}
}

// Whoever is silent on a spare connection gives way to those who come later, and is told so.
func TestSilentSpareConnectionsGiveWay(t *testing.T) {
	s := newSite(t, func(o *Options) { o.Connections = connections.Bounds{Clients: 1, Spares: 2} })
	require.Equal(t, http.StatusOK, ask(t, s.dial(), get("/livez")).status)
	silent := []net.Conn{s.dial(), s.dial()}
	for range 2 {
		require.Equal(t, http.StatusOK, ask(t, s.dial(), get("/readyz")).status)
	}
	for _, c := range silent { // the first gave way, the other one has run out of time or given way.
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		require.NoError(t, err)
		require.GreaterOrEqual(t, readReply(t, resp).status, 400)
	}
	require.Eventually(t, func() bool { return s.server.Open() == 1 }, time.Minute, time.Millisecond)
}

// exhaustedListener has no descriptor for the first connections.
type exhaustedListener struct {
	*net.TCPListener
	failures int
}

func (l *exhaustedListener) Accept() (net.Conn, error) {
	if l.failures--; l.failures >= 0 {
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
	}
	return l.TCPListener.Accept()
}

// A process without a file descriptor left goes on when it has one again; fasthttp would end the server.
func TestAcceptOutlastsExhaustion(t *testing.T) {
	log := &lockedBuffer{}
	server, err := New(newOptions(&fakeCore{store: &lockedStore{store: memstore.New()}}, log))
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- server.Serve(&exhaustedListener{l.(*net.TCPListener), 6}) }()
	s := &site{t: t, addr: l.Addr().String()}
	require.Equal(t, http.StatusOK, s.target("GET", "/livez").status)
	require.NoError(t, server.Shutdown(t.Context()))
	require.NoError(t, <-served)
	require.Equal(t, 1, strings.Count(log.String(), "may not open another file"), log.String())
	require.Equal(t, 1, strings.Count(log.String(), "accepted again"), log.String())
}

// Shutdown waits for a request that runs, and its client gets the answer.
func TestShutdownLetsRequestsEnd(t *testing.T) {
	s := newSite(t)
	begun, goOn := make(chan struct{}), make(chan struct{})
	s.core.answer = func(context.Context, *node.Request) (node.Response, error) {
		close(begun)
		<-goOn
		return node.Response{Code: node.CodeCreated, Level: node.Eventual, Record: node.Record{TS: 1 << 16}}, nil
	}
	idle := s.dial() // does not keep the server from ending.
	_, err := io.WriteString(idle, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	_, err = http.ReadResponse(bufio.NewReader(idle), nil)
	require.NoError(t, err)

	answer := make(chan reply, 1)
	go func() { answer <- s.target("PUT", "/kv/a") }()
	<-begun
	ended := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		ended <- s.server.Shutdown(ctx)
	}()
	require.NoError(t, <-s.served, "Serve ends first, and says that all is well")
	select {
	case err := <-ended:
		t.Fatalf("the shutdown did not wait: %v", err)
	default:
	}
	_, err = net.DialTimeout("tcp", s.addr, time.Second)
	require.Error(t, err, "nobody is let in any more")
	close(goOn)
	require.Equal(t, http.StatusCreated, (<-answer).status)
	require.NoError(t, <-ended)
}

func TestShutdownGivesUpInTime(t *testing.T) {
	s := newSite(t)
	begun, goOn := make(chan struct{}), make(chan struct{})
	s.core.answer = func(context.Context, *node.Request) (node.Response, error) {
		close(begun)
		<-goOn
		return node.Response{}, ErrStopping
	}
	c := s.dial()
	_, err := io.WriteString(c, "PUT /kv/a HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
	require.NoError(t, err)
	<-begun
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, s.server.Shutdown(ctx), context.DeadlineExceeded)
	close(goOn)
}

func TestServeAfterShutdown(t *testing.T) {
	s, err := New(newOptions(&fakeCore{store: &lockedStore{store: memstore.New()}}, io.Discard))
	require.NoError(t, err)
	require.NoError(t, s.Shutdown(t.Context()))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, s.Serve(l))
	_, err = l.Accept()
	require.ErrorIs(t, err, net.ErrClosed)
}

// The two ends of a shutdown that comes while Serve begins: whichever wins, Serve returns.
func TestShutdownRacesServe(t *testing.T) {
	for range 20 {
		s, err := New(newOptions(&fakeCore{store: &lockedStore{store: memstore.New()}}, io.Discard))
		require.NoError(t, err)
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		served := make(chan error, 1)
		go func() { served <- s.Serve(l) }()
		require.NoError(t, s.Shutdown(t.Context()))
		require.NoError(t, <-served)
	}
}

func BenchmarkHandlers(b *testing.B) {
	for _, op := range []string{"PUT", "GET"} {
		b.Run(op, func(b *testing.B) {
			s := newSite(b)
			require.Equal(b, http.StatusCreated, s.do("PUT", "/kv/bench/key", strings.Repeat("x", 256)).status)
			c := s.dial()
			request := "GET /kv/bench/key HTTP/1.1\r\nHost: x\r\n\r\n"
			if op == "PUT" {
				request = fmt.Sprintf("PUT /kv/bench/key HTTP/1.1\r\nHost: x\r\nContent-Length: 256\r\n\r\n%s",
					strings.Repeat("x", 256))
			}
			in := bufio.NewReader(c)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := io.WriteString(c, request); err != nil {
					b.Fatal(err)
				}
				resp, err := http.ReadResponse(in, nil)
				if err != nil || resp.StatusCode >= 300 {
					b.Fatalf("%v %v", resp, err)
				}
				if _, err := io.Copy(io.Discard, resp.Body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
