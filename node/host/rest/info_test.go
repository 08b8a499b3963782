package rest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/swim"
)

func fullSnapshot() Snapshot {
	started := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	return Snapshot{
		Ready: true, Started: started, Uptime: 90 * time.Second, Reasons: []string{"operator"},
		Status: node.Status{
			ID: 1, Name: "n 1", Addr: "127.0.0.1:7001", Cluster: "c", Mode: node.ModeReadOnly,
			Started: 10 * time.Second, Clock: 5 << 16,
			Members: []swim.Member{
				{ID: 1, Name: "n 1", Addr: "127.0.0.1:7001", Born: 3<<16 | 1, Incarnation: 4, State: swim.Alive},
				{ID: 2, Name: "n2", Addr: "127.0.0.1:7002", Born: 4 << 16, State: swim.Suspect},
				{ID: 3, Name: "n2", Addr: "127.0.0.1:7003", Born: 2 << 16, State: swim.Dead},
				{ID: 4, Name: "n4", Addr: "127.0.0.1:7004", Born: 1 << 16, State: swim.Removed,
					GoneAt: uint64(started.UnixMilli())},
			},
			Since:       []time.Duration{10 * time.Second, 40 * time.Second, 20 * time.Second, 99 * time.Second},
			LocalHealth: 2, Clash: "twice",
			Peers: []node.PeerStatus{
				{ID: 2, QueueEntries: 3, QueueBytes: 40, Dropped: 5, LastAck: 98 * time.Second},
				{ID: 3, Away: 7 * time.Second, HintsFull: 4, HintsExpired: 6, ClockMeasured: true,
					ClockOffset: -80 * time.Millisecond, ClockError: 3 * time.Millisecond},
			},
			Counters: node.Counters{Writes: 7, DatagramsIn: 9},
		},
	}
}

func TestMembersAndStatus(t *testing.T) {
	s := newSite(t)
	s.core.set(func(f *fakeCore) { f.snapshot = fullSnapshot() })
	started := fullSnapshot().Started
	want := []api.Member{
		{ID: "0000000000000001", Name: "n 1", Address: "127.0.0.1:7001", State: "alive", Incarnation: 4,
			Born: "3.00001", Self: true, Joined: 2, Since: started},
		{ID: "0000000000000002", Name: "n2", Address: "127.0.0.1:7002", State: "suspect", Born: "4.00000", Joined: 3,
			Since: started.Add(30 * time.Second)},
		{ID: "0000000000000003", Name: "n2", Address: "127.0.0.1:7003", State: "dead", Born: "2.00000", Joined: 1,
			Since: started.Add(10 * time.Second),
			Hint:  "replaced by 0000000000000002? If its data is lost: kvs members remove 0000000000000003"},
		{ID: "0000000000000004", Name: "n4", Address: "127.0.0.1:7004", State: "removed", Born: "1.00000",
			Since: started},
	}
	var m api.Members
	s.do("GET", "/members/", "").json(&m)
	require.Equal(t, want, m.Members)

	var st api.Status
	s.do("GET", "/status", "").json(&st)
	require.Equal(t, want, st.Members)
	require.Equal(t, "0000000000000001", st.ID)
	require.Equal(t, "read-only", st.Mode)
	require.Equal(t, []string{"operator"}, st.Reasons)
	require.True(t, st.Ready)
	require.EqualValues(t, 90, st.UptimeSeconds)
	require.Equal(t, "v9", st.Version)
	require.Equal(t, "5.00000", st.Timestamp)
	require.Equal(t, 1, st.Alive)
	require.Equal(t, 2, st.LocalHealth)
	require.Equal(t, "twice", st.Clash)
	away := int64(7000)
	ago := int64(2000) // up for 90 s since 10 s, acknowledged at 98 s.
	offset, give := int64(-80), int64(3)
	require.Equal(t, []api.Peer{
		{ID: "0000000000000002", QueueEntries: 3, QueueBytes: 40, Dropped: 5, AckMillisAgo: &ago},
		{ID: "0000000000000003", AwayMillis: &away, HintsFull: 4, HintsExpired: 6, ClockOffsetMillis: &offset,
			ClockErrorMillis: &give},
	}, st.Peers)
	require.EqualValues(t, 7, st.Counters["writes"])
	require.EqualValues(t, 9, st.Counters["datagrams_in"])
	require.Len(t, st.Counters, reflect.TypeFor[node.Counters]().NumField(), "every counter shows")
}

func TestReadiness(t *testing.T) {
	s := newSite(t)
	s.core.set(func(f *fakeCore) { f.snapshot = fullSnapshot() })
	var ready api.Ready
	s.do("GET", "/readyz", "").json(&ready)
	require.Equal(t, api.Ready{Ready: true, Mode: "read-only", Reasons: []string{"operator"}}, ready)

	s.core.set(func(f *fakeCore) {
		f.snapshot.Ready, f.snapshot.Mode, f.snapshot.Reasons = false, node.ModeSyncing, []string{"bootstrap", "disk"}
	})
	r := s.do("GET", "/readyz", "")
	require.Equal(t, "the node is in mode syncing: bootstrap, disk", r.problem(api.NotReady).Detail)
	require.Equal(t, "1", r.header.Get("Retry-After"))
	var live api.Live
	s.do("GET", "/livez", "").json(&live)
	require.True(t, live.Live, "a node that is not ready lives")
}

func TestIndexAndDocument(t *testing.T) {
	s := newSite(t)
	r := s.do("GET", "/", "")
	require.Contains(t, r.body, "curl")
	require.Contains(t, r.body, "http://"+s.addr+"/kv/")
	require.Contains(t, r.header.Get("Content-Type"), "text/plain")
	r = s.do("GET", "/openapi.yaml", "")
	require.Equal(t, string(api.OpenAPI), r.body)
	require.Equal(t, "application/yaml", r.header.Get("Content-Type"))
}

func TestUnknownParametersAreRefusedEverywhere(t *testing.T) {
	s := newSite(t)
	for _, target := range []string{"/", "/members/", "/status", "/livez", "/readyz", "/openapi.yaml", "/kv/",
		"/kv/a"} {
		require.Contains(t, s.do("GET", target+"?verbos=1", "").problem(api.BadParameter).Detail, "verbos", target)
	}
	for _, target := range []string{"/members/join", api.PathFrames} {
		s.do("POST", target+"?x=1", "").problem(api.BadParameter)
	}
	for _, method := range []string{"PUT", "DELETE"} {
		p := s.do(method, "/kv/a?force=true", "").problem(api.BadParameter)
		require.Contains(t, p.Detail, `"force"`)
		require.Equal(t, api.NotApplied, p.Outcome)
	}
	require.Empty(t, s.core.taken())
}

func TestJoin(t *testing.T) {
	s := newSite(t)
	post := func(body string) reply {
		return s.do("POST", "/members/join", body, "Content-Type", "application/json; charset=utf-8")
	}
	r := post(`{"addresses":["a:1","[::1]:65535"]}`)
	require.Equal(t, http.StatusAccepted, r.status, r.body)
	require.Equal(t, []string{"a:1", "[::1]:65535"}, s.core.joined)

	many, err := json.Marshal(api.Join{Addresses: strings.Split(strings.Repeat("a:1,", joinAddressesMax)+"a:1", ",")})
	require.NoError(t, err)
	for _, body := range []string{
		"", "{}", "[]", "null", `{"addresses":[]}`, `{"addresses":"a:1"}`, `{"addresses":["a:1"],"force":true}`,
		`{"addresses":["a:1"]} x`,
		`{"addresses":["a"]}`, `{"addresses":[":1"]}`, `{"addresses":["a:0"]}`, `{"addresses":["a:65536"]}`,
		`{"addresses":["a:x"]}`,
		`{"addresses":["` + strings.Repeat("a", 255) + `:1"]}`, string(many),
	} {
		p := post(body).problem(api.BadBody)
		require.Contains(t, p.Detail, "host:port")
	}
	s.do("POST", "/members/join", `{"addresses":["a:1"]}`, "Content-Type", "text/plain").problem(api.BadMediaType)
	require.Len(t, s.core.joined, 2)
	for err, code := range map[error]api.Code{
		ErrStopping: api.ShuttingDown, ErrBusy: api.Overloaded, ErrRefused: api.OtherCluster} {
		s.core.set(func(f *fakeCore) { f.joinErr = fmt.Errorf("%w: because", err) })
		post(`{"addresses":["a:1"]}`).problem(code)
	}
}

func TestFrames(t *testing.T) {
	s := newSite(t)
	post := func(body string) reply {
		return s.do("POST", api.PathFrames, body, "Content-Type", "application/octet-stream")
	}
	large := strings.Repeat("f", 3<<20) // more than a value may have.
	require.Equal(t, http.StatusNoContent, post(large).status)
	require.Equal(t, large, string(s.core.frames[0]))
	s.do("POST", api.PathFrames, "x", "Content-Type", "application/x-www-form-urlencoded").problem(api.BadMediaType)
	s.do("POST", api.PathFrames, "x").problem(api.BadMediaType)
	require.Len(t, s.core.frames, 1)
	for err, code := range map[error]api.Code{
		ErrStopping: api.ShuttingDown, ErrBusy: api.Overloaded, http.ErrBodyNotAllowed: api.BadBody} {
		s.core.set(func(f *fakeCore) { f.frameErr = fmt.Errorf("%w: because", err) })
		post("x").problem(code)
	}
	s.do("POST", api.PathFrames, strings.Repeat("f", node.FrameBytesMax+1)).problem(api.BodyTooLarge)
}

// A batch with the wish for a stream is taken, and what follows on the connection is the stream, until it ends.
func TestAConnectionOfAPeerBecomesAStream(t *testing.T) {
	s := newSite(t)
	ask := func(protocol string) (net.Conn, *bufio.Reader, *http.Response) {
		c := s.dial()
		_, err := fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\n"+
			"Content-Length: 5\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\nbatch", api.PathFrames, protocol)
		require.NoError(t, err)
		in := bufio.NewReader(c)
		resp, err := http.ReadResponse(in, nil)
		require.NoError(t, err)
		return c, in, resp
	}
	c, in, resp := ask(testProtocol)
	require.Equal(t, http.StatusSwitchingProtocols, resp.StatusCode)
	require.Equal(t, testProtocol, resp.Header.Get("Upgrade"))
	require.Equal(t, "Upgrade", resp.Header.Get("Connection"))
	for range 2 {
		_, err := io.WriteString(c, "frames")
		require.NoError(t, err)
		said, err := in.ReadString('.')
		require.NoError(t, err)
		require.Equal(t, "6.", said)
	}
	require.Equal(t, 1, s.server.Open())
	_, err := io.WriteString(c, "end")
	require.NoError(t, err)
	_, err = in.ReadByte()
	require.ErrorIs(t, err, io.EOF, "the connection is closed when the stream has ended")
	var frames [][]byte
	s.core.set(func(f *fakeCore) { frames = slices.Clone(f.frames) })
	require.Equal(t, [][]byte{[]byte("batch"), []byte("frames"), []byte("frames"), []byte("end")}, frames)
	require.Eventually(t, func() bool { return s.server.Open() == 0 }, 20*time.Second, time.Millisecond)

	_, _, resp = ask("other-frames/7")
	require.Equal(t, http.StatusNoContent, resp.StatusCode, "who wants something else gets what there was before")
	s.core.set(func(f *fakeCore) { f.frameErr = ErrBusy })
	_, _, resp = ask(testProtocol)
	require.Equal(t, http.StatusTooManyRequests, resp.StatusCode, "no stream behind a batch that was refused")
}
