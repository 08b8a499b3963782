package host

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/host/certs"
	"kvs/node/host/certs/certstest"
	"kvs/node/host/config"
	"kvs/node/host/transport"
	"kvs/node/wire"
)

// What members say to each other goes over one stream each way, and all of it arrives.
func TestMembersSpeakOverStreams(t *testing.T) {
	c1 := testConfig(t)
	h1 := startHost(t, testOptions(c1))
	h2 := startHost(t, testOptions(testConfig(t, c1.Listen)))
	meet(t, h1, h2)
	replicates(t, h1, h2, "a")
	replicates(t, h2, h1, "b")
	for _, h := range []*Host{h1, h2} {
		require.Eventually(t, func() bool {
			s := h.Stats()
			return s.Frames.Streams == 1 && s.StreamsIn == 1
		}, patience, time.Millisecond)
	}
	_, page := request(t, http.MethodGet, "http://"+h1.Addr()+"/metrics", "")
	require.Contains(t, page, `kvs_frame_streams{direction="in"} 1`)
	require.Contains(t, page, `kvs_frame_streams{direction="out"} 1`)

	// A member that stops ends the streams of others, and does not wait for them.
	stopHost(t, h2)
	require.Eventually(t, func() bool { return h1.Stats().Frames.Streams == 0 }, patience, time.Millisecond)
	require.Zero(t, h2.Stats().StreamsIn)
}

// A connection becomes a stream for a member alone.
func TestStreamsAreForMembers(t *testing.T) {
	a := certstest.New(t, "kvs")
	h1 := startHost(t, testOptions(secureConfig(t, a, "n1", config.TLSRequired)))
	wish := func(f certstest.Files) int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+h1.Addr()+transport.Path,
			strings.NewReader("\x01\x01\x00\x00\x00x"))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/octet-stream")
		req.Header.Set("Connection", "Upgrade")
		req.Header.Set("Upgrade", transport.Protocol)
		resp, err := clientOf(t, a, f).Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		return resp.StatusCode
	}
	admin := a.Issue(certs.Identity{Cluster: "kvs", Role: certs.Admin, Name: "root"}, time.Hour)
	require.Equal(t, http.StatusForbidden, wish(certstest.Files{}))
	require.Equal(t, http.StatusForbidden, wish(admin))
	require.Zero(t, h1.Stats().StreamsIn)
	require.Equal(t, http.StatusSwitchingProtocols, wish(a.Member("n2")))
}

// Frames of a stream count as those of the member that its certificate names, and are not heard in the name of another.
func TestAStreamSpeaksForItsOwnMember(t *testing.T) {
	a := certstest.New(t, "kvs")
	h1, h2 := startSecurePair(t, a)
	s2, err := h2.Status(t.Context())
	require.NoError(t, err)
	forged := wire.Seal(forgedEnvelope("kvs", uint64(s2.ID), 1<<60))

	c := dialAs(t, h1, a.Member("n3"))
	becomeStream(t, c)
	_, err = c.Write(append([]byte{0, byte(len(forged)), 0, 0}, forged...))
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		s, err := h1.Status(t.Context())
		return err == nil && s.Counters.FramesForeign == 1
	}, patience, time.Millisecond)
}

// becomeStream asks for a stream, behind a batch of one frame that is no message.
func becomeStream(t *testing.T, c net.Conn) (in *bufio.Reader) {
	t.Helper()
	require.NoError(t, c.SetDeadline(time.Now().Add(patience)))
	_, err := fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\n"+
		"Content-Length: 6\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n\x01\x01\x00\x00\x00x",
		transport.Path, transport.Protocol)
	require.NoError(t, err)
	in = bufio.NewReader(c)
	resp, err := http.ReadResponse(in, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusSwitchingProtocols, resp.StatusCode)
	return in
}

// A stream that makes no sense is closed, and what had arrived before counts.
func TestAStreamThatMakesNoSenseIsClosed(t *testing.T) {
	h := startHost(t, testOptions(testConfig(t)))
	c, err := net.Dial("tcp", h.Addr())
	require.NoError(t, err)
	defer c.Close()
	in := becomeStream(t, c)
	bad := func() uint64 {
		s, err := h.Status(t.Context())
		require.NoError(t, err)
		return s.Counters.FramesBad
	}
	require.Eventually(t, func() bool { return bad() == 1 }, patience, time.Millisecond)
	_, err = io.WriteString(c, "\x00\x01\x00\x00y") // a frame that is no message,
	require.NoError(t, err)
	require.Eventually(t, func() bool { return bad() == 2 }, patience, time.Millisecond)
	_, err = io.WriteString(c, "\x63\x01\x00\x00y") // and a lane that there is not.
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, in)
	require.NoError(t, err, "it is closed")
	require.Eventually(t, func() bool { return h.Stats().StreamsIn == 0 }, patience, time.Millisecond)
}

func TestLanes(t *testing.T) {
	frame := func(kind wire.Kind) []byte {
		b := make([]byte, wire.EnvelopeBytes)
		b[1] = byte(kind)
		return b
	}
	for kind, want := range map[wire.Kind]transport.Lane{
		wire.KindMemberTable: transport.Prompt, wire.KindStore: transport.Prompt, wire.KindAccept: transport.Prompt,
		wire.KindEpoch: transport.Prompt, wire.KindReplicate: transport.Records,
		wire.KindReplicateAck: transport.Records, wire.KindCollected: transport.Records,
		wire.KindLeafAnswer: transport.Bulk, wire.KindPage: transport.Bulk,
		wire.KindCatchSlots: transport.Bulk, 255: transport.Prompt,
	} {
		require.Equal(t, want, laneOf(frame(kind)), kind.String())
	}
	require.Equal(t, transport.Prompt, laneOf(nil))
}
