package rest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/host/budget"
	"kvs/node/host/watching"
	"kvs/node/slot"
	"kvs/sim/memstore"
)

// fakeCore answers like a node alone in its cluster. It holds on to what it is given, without a copy, as the real one
// may.
type fakeCore struct {
	store *lockedStore

	mu       sync.Mutex
	requests []*node.Request
	snapshot Snapshot
	joined   []string
	conflict []node.ConflictRecord
	asked    string // for the conflicts of which prefix, and how many.
	frames   [][]byte
	framesBy []string
	answer   func(context.Context, *node.Request) (node.Response, error) // instead of the ordinary one.
	joinErr  error
	departed string // what was asked of the membership.
	departs  error
	frameErr error

	watchers *watching.Watchers
	changed  func(path string) // is called after a write; nil: no client has watched.
}

func (f *fakeCore) DoAll(ctx context.Context, rs []*node.Request, answer func(int, node.Response, error)) {
	for i, r := range rs {
		resp, err := f.Do(ctx, r)
		answer(i, resp, err)
	}
}

func (f *fakeCore) Do(ctx context.Context, r *node.Request) (node.Response, error) {
	f.mu.Lock()
	f.requests = append(f.requests, r)
	answer := f.answer
	if answer == nil {
		defer f.mu.Unlock()
		return f.run(r)
	}
	f.mu.Unlock()
	return answer(ctx, r)
}

func (f *fakeCore) run(r *node.Request) (node.Response, error) {
	old, err := node.NewView(f.store, slot.NewElectorate(nil)).Get(r.Path)
	if err != nil {
		return node.Response{}, err
	}
	if r.Op == node.OpGet {
		resp := node.Response{Level: r.Level, Record: old, Code: node.CodeNotFound}
		if old.Live() {
			resp.Code = node.CodeOK
		}
		return resp, nil
	}
	if !r.Condition.Holds(&old) {
		return node.Response{Code: node.CodePrecondition, Outcome: node.OutcomeNotApplied, Level: r.Level, Record: old,
			Detail: "another version"}, nil
	}
	n := len(f.requests)
	rec := node.Record{
		TS: node.Timestamp(1700000000000<<16 + n), UUID: node.UUID{0: 0xab, 15: byte(n)}, Origin: 1,
		Tombstone: r.Op == node.OpDelete, ContentType: r.ContentType, Value: r.Value,
	}
	if r.TTL > 0 {
		rec.Expires = rec.TS.Wall() + r.TTL.Milliseconds()
	}
	stored := slot.Of(&rec)
	err = f.store.Apply([]node.Change{{Key: "r/" + r.Path, Value: slot.Encode(r.Path, &stored)}})
	if f.changed != nil {
		f.changed(r.Path)
	}
	resp := node.Response{Level: r.Level, Record: rec}
	if r.Op == node.OpPut && !old.Live() {
		resp.Code = node.CodeCreated
	}
	return resp, err
}

func (f *fakeCore) view() *node.View { return node.NewView(f.store, slot.NewElectorate([]node.ID{1})) }

func (f *fakeCore) Mode() node.Mode { return f.Snapshot().Mode }

func (f *fakeCore) Snapshot() Snapshot {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.snapshot
}

func (f *fakeCore) Conflicts(prefix string, limit int) ([]node.ConflictRecord, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = fmt.Sprintf("%s %d", prefix, limit)
	return f.conflict, f.joinErr
}

func (f *fakeCore) Leave(_ context.Context, force bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.departed = fmt.Sprintf("leave %v", force)
	return f.departs
}

func (f *fakeCore) Remove(_ context.Context, id node.ID, force bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.departed = fmt.Sprintf("remove %s %v", id, force)
	return f.departs
}

func (f *fakeCore) SetReadOnly(on bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.joinErr == nil && on {
		f.snapshot.Mode, f.snapshot.Reasons = node.ModeReadOnly, []string{node.ReasonOperator}
	} else if f.joinErr == nil {
		f.snapshot.Mode, f.snapshot.Reasons = node.ModeNormal, nil
	}
	return f.joinErr
}

func (f *fakeCore) Join(addrs []string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.joined = append(f.joined, addrs...)
	return f.joinErr
}

// testProtocol is what a peer of these tests wants to speak.
const testProtocol = "test-frames/1"

// Stream remembers what comes as frames, and says back how much it was.
func (f *fakeCore) Stream(conn net.Conn, by string, _ *budget.Bytes) error {
	b := make([]byte, 1024)
	for {
		n, err := conn.Read(b)
		if err != nil {
			return err
		}
		f.mu.Lock()
		f.framesBy = append(f.framesBy, by)
		f.frames = append(f.frames, append([]byte(nil), b[:n]...))
		end := string(b[:n]) == "end"
		f.mu.Unlock()
		if end {
			return nil
		}
		if _, err := fmt.Fprintf(conn, "%d.", n); err != nil {
			return err
		}
	}
}

func (f *fakeCore) Frames(body []byte, by string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.framesBy = append(f.framesBy, by)
	f.frames = append(f.frames, bytes.Clone(body)) // borrowed.
	return f.frameErr
}

// taken is what has reached the core so far.
func (f *fakeCore) taken() []*node.Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]*node.Request(nil), f.requests...)
}

func (f *fakeCore) set(change func(*fakeCore)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

// site is a server on a real port.
type site struct {
	t      testing.TB
	addr   string
	core   *fakeCore
	server *Server
	served chan error
	log    *lockedBuffer
}

const testValueBytesMax = 1000

func newOptions(core *fakeCore, log io.Writer) Options {
	return Options{
		Core: core, Metrics: &fakeMetrics{}, View: func() *node.View {
			return node.NewView(core.store, slot.NewElectorate(nil))
		}, Log: slog.New(slog.NewTextHandler(log, nil)), Name: "n 1", Version: "v9",
		DefaultLevel: node.Eventual, ValueBytesMax: testValueBytesMax, FramesBytesMax: node.FrameBytesMax,
		StreamProtocol: testProtocol, RequestTimeout: 10 * time.Second,
	}
}

func newSite(t testing.TB, change ...func(*Options)) *site {
	core := &fakeCore{store: &lockedStore{store: memstore.New()}, snapshot: Snapshot{Ready: true}}
	s := &site{t: t, core: core, served: make(chan error, 1), log: &lockedBuffer{}}
	o := newOptions(core, s.log)
	for _, c := range change {
		c(&o)
	}
	var err error
	s.server, err = New(o)
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s.addr = l.Addr().String()
	go func() { s.served <- s.server.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		require.NoError(t, s.server.Shutdown(ctx))
	})
	return s
}

// reply is a whole answer.
type reply struct {
	t      testing.TB
	status int
	header http.Header
	body   string
}

// do asks with net/http. Headers alternate name and value.
func (s *site) do(method, target, body string, headers ...string) reply {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, "http://"+s.addr+target, strings.NewReader(body))
	require.NoError(s.t, err)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(s.t, err)
	return readReply(s.t, resp)
}

func readReply(t testing.TB, resp *http.Response) reply {
	t.Helper()
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return reply{t, resp.StatusCode, resp.Header, string(b)}
}

// dial opens a connection that gives up after a while instead of hanging the test.
func (s *site) dial() net.Conn {
	s.t.Helper()
	c, err := net.Dial("tcp", s.addr)
	require.NoError(s.t, err)
	require.NoError(s.t, c.SetDeadline(time.Now().Add(20*time.Second)))
	s.t.Cleanup(func() { _ = c.Close() })
	return c
}

// raw sends text as it is, says that no more will come, and reads the answer.
func (s *site) raw(text string) reply {
	s.t.Helper()
	c := s.dial()
	_, err := io.WriteString(c, text)
	require.NoError(s.t, err)
	if err := c.(*net.TCPConn).CloseWrite(); !errors.Is(err, syscall.ENOTCONN) {
		// the server may have answered and hung up already.
		require.NoError(s.t, err)
	}
	method, _, _ := strings.Cut(text, " ")
	resp, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	require.NoError(s.t, err, "%.100q", text)
	return readReply(s.t, resp)
}

// target sends a request whose target nobody has tidied up.
func (s *site) target(method, target string) reply {
	s.t.Helper()
	return s.raw(method + " " + target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
}

// problem checks that the answer is a whole problem document with this code, and returns it.
func (r reply) problem(code api.Code) api.Problem {
	r.t.Helper()
	kind, err := api.Describe(code)
	require.NoError(r.t, err)
	return r.problemWith(code, kind.Status)
}

// problemWith is problem for a code with another status than its own.
func (r reply) problemWith(code api.Code, status int) api.Problem {
	r.t.Helper()
	kind, err := api.Describe(code)
	require.NoError(r.t, err)
	require.Equal(r.t, status, r.status, r.body)
	require.Equal(r.t, api.ContentTypeProblem, r.header.Get("Content-Type"))
	var p api.Problem
	require.NoError(r.t, json.Unmarshal([]byte(r.body), &p), r.body)
	require.Equal(r.t, code, p.Code, r.body)
	require.Equal(r.t, kind.Title, p.Title)
	require.Equal(r.t, status, p.Status)
	require.Equal(r.t, kind.Retryable, p.Retryable)
	require.Equal(r.t, "about:blank", p.Type)
	require.Equal(r.t, "n 1", p.Node)
	require.Equal(r.t, "n%201", r.header.Get(api.HeaderNode))
	require.NotEmpty(r.t, p.Detail)
	return p
}

func (r reply) json(into any) {
	r.t.Helper()
	require.Equal(r.t, api.ContentTypeJSON, r.header.Get("Content-Type"), r.body)
	dec := json.NewDecoder(strings.NewReader(r.body))
	dec.DisallowUnknownFields()
	require.NoError(r.t, dec.Decode(into))
}

// lockedStore makes the simulator's store, which has one thread, safe for many.
type lockedStore struct {
	mu    sync.RWMutex
	store *memstore.Store
}

func (l *lockedStore) Get(key string) ([]byte, bool, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.store.Get(key)
}

func (l *lockedStore) Scan(prefix, from string, fn func(string, []byte) bool) error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.store.Scan(prefix, from, fn)
}

func (l *lockedStore) Apply(changes []node.Change) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.store.Apply(changes)
}

// lockedBuffer is a log that a test may read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// encodeRecord is a stored slot with one candidate.
func encodeRecord(path string, r *node.Record) []byte {
	s := slot.Of(r)
	return slot.Encode(path, &s)
}
