package host

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node"
	"kvs/node/api"
	"kvs/node/host/certs"
	"kvs/node/host/certs/certstest"
	"kvs/node/host/config"
	"kvs/node/host/seal"
	"kvs/node/wire"
)

// secureConfig is testConfig with a certificate of its own.
func secureConfig(t *testing.T, a *certstest.Authority, name, mode string, seeds ...string) *config.Config {
	t.Helper()
	c := testConfig(t, seeds...)
	c.Name = name
	f := a.Member(name)
	c.TLS.Cert, c.TLS.Key, c.TLS.CA, c.TLS.Mode = f.Cert, f.Key, a.CA, mode
	c.Gossip.Keyring = filepath.Join(t.TempDir(), "keyring")
	require.NoError(t, os.WriteFile(c.Gossip.Keyring, seal.Document(testKey), 0o600))
	require.NoError(t, c.Check())
	return c
}

// testKey is that of all clusters here.
var testKey = seal.Key{1, 2, 3}

// clientOf asks over TLS, with a certificate if there is one.
func clientOf(t *testing.T, a *certstest.Authority, f certstest.Files) *http.Client {
	t.Helper()
	roots := x509.NewCertPool()
	content, err := os.ReadFile(a.CA)
	require.NoError(t, err)
	require.True(t, roots.AppendCertsFromPEM(content))
	o := &tls.Config{RootCAs: roots}
	if f.Cert != "" {
		o.Certificates = []tls.Certificate{certificate(t, f)}
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: o, DisableKeepAlives: true}}
}

func certificate(t *testing.T, f certstest.Files) tls.Certificate {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	require.NoError(t, err)
	return pair
}

// dialAs connects to a host with a certificate, until the end of the test.
func dialAs(t *testing.T, h *Host, f certstest.Files) *tls.Conn {
	t.Helper()
	conn, err := tls.Dial("tcp", h.Addr(),
		&tls.Config{Certificates: []tls.Certificate{certificate(t, f)}, InsecureSkipVerify: true})
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// startSecurePair starts two members that speak TLS and know each other.
func startSecurePair(t *testing.T, a *certstest.Authority) (h1, h2 *Host) {
	t.Helper()
	c1 := secureConfig(t, a, "n1", config.TLSRequired)
	h1 = startHost(t, testOptions(c1))
	h2 = startHost(t, testOptions(secureConfig(t, a, "n2", config.TLSRequired, c1.Listen)))
	meet(t, h1, h2)
	return h1, h2
}

func askWith(t *testing.T, c *http.Client, method, url, body string) (status int, answer string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/octet-stream")
	resp, err := c.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(b)
}

func meet(t *testing.T, hosts ...*Host) {
	t.Helper()
	for _, h := range hosts {
		require.Eventually(t, func() bool {
			s, err := h.Status(t.Context())
			return err == nil && len(s.Members) == len(hosts)
		}, patience, 5*time.Millisecond)
	}
}

func replicates(t *testing.T, from, to *Host, path string) {
	t.Helper()
	require.Eventually(t, func() bool { return from.Mode() == node.ModeNormal }, patience, 5*time.Millisecond)
	require.Equal(t, node.CodeCreated, do(t, from, node.OpPut, path, "v").Code)
	require.Eventually(t, func() bool {
		r, err := to.View().Get(path)
		return err == nil && string(r.Value) == "v"
	}, patience, 5*time.Millisecond)
}

func TestMembersAndClientsSpeakTLSOnOnePort(t *testing.T) {
	a := certstest.New(t, "kvs")
	h1, h2 := startSecurePair(t, a)
	replicates(t, h1, h2, "a")
	replicates(t, h2, h1, "b")

	anonymous := clientOf(t, a, certstest.Files{})
	status, body := askWith(t, anonymous, http.MethodGet, "https://"+h1.Addr()+"/kv/a", "")
	require.Equal(t, http.StatusOK, status, body)
	status, body = askWith(t, anonymous, http.MethodGet, "https://"+h1.Addr()+"/metrics", "")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, body, "kvs_certificate_expires_timestamp_seconds")
	status, body = askWith(t, anonymous, http.MethodGet, "https://"+h1.Addr()+"/status", "")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, body, "certificate_expires")
	require.Contains(t, body, "the certificate or its authority ends on", "it ends within 30 days")

	// Who does not speak TLS is told so.
	conn, err := net.Dial("tcp", h1.Addr())
	require.NoError(t, err)
	_, err = io.WriteString(conn, "GET /kv/a HTTP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	told, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Contains(t, string(told), "400 Bad Request")
	require.Contains(t, string(told), "speaks TLS alone")

	// The route of members is for members.
	admin := a.Issue(certs.Identity{Cluster: "kvs", Role: certs.Admin, Name: "root"}, time.Hour)
	elsewhere := a.Issue(certs.Identity{Cluster: "other", Role: certs.Member, Name: "n1"}, time.Hour)
	for what, f := range map[string]certstest.Files{
		"no certificate": {}, "an administrator's": admin, "another cluster's": elsewhere} {
		status, body := askWith(t, clientOf(t, a, f), http.MethodPost, "https://"+h1.Addr()+api.PathFrames,
			strings.Repeat("x", 1<<20))
		require.Equal(t, http.StatusForbidden, status, what)
		require.Contains(t, body, "not_allowed", what)
	}
	status, body = askWith(t, clientOf(t, a, a.Member("n2")), http.MethodPost, "https://"+h1.Addr()+api.PathFrames, "x")
	require.Equal(t, http.StatusBadRequest, status, body)
}

func TestAClusterChangesOverToTLS(t *testing.T) {
	a := certstest.New(t, "kvs")
	c1 := testConfig(t)
	h1 := startHost(t, testOptions(c1))
	c2 := secureConfig(t, a, "n2", config.TLSOptional, c1.Listen)
	h2 := startHost(t, testOptions(c2))
	meet(t, h1, h2)
	replicates(t, h1, h2, "a")
	replicates(t, h2, h1, "b")
	status, _ := request(t, http.MethodGet, "http://"+h2.Addr()+"/kv/a", "")
	require.Equal(t, http.StatusOK, status)
	status, _ = askWith(t, clientOf(t, a, certstest.Files{}), http.MethodGet, "https://"+h2.Addr()+"/kv/a", "")
	require.Equal(t, http.StatusOK, status)

	h3 := startHost(t, testOptions(secureConfig(t, a, "n3", config.TLSRequired, c2.Listen)))
	replicates(t, h2, h3, "c")
	replicates(t, h3, h2, "d")
}

func TestANodeReadsItsCertificatesAnew(t *testing.T) {
	a := certstest.New(t, "kvs")
	c := secureConfig(t, a, "n1", config.TLSRequired)
	h := startHost(t, testOptions(c))
	before := h.certExpires()
	a.Issue(certs.Identity{Cluster: "kvs", Role: certs.Member, Name: "n1"}, 2*time.Hour)
	require.NoError(t, h.Reload())
	require.True(t, h.certExpires().After(before))
	require.NoError(t, os.Remove(filepath.Clean(c.TLS.Key)))
	require.Error(t, h.Reload())
}

// Somebody who is no member sends gossip of its own, and gossip that it has overheard: neither is heard, nor answered.
func TestForgedAndReplayedDatagramsAreRefused(t *testing.T) {
	a := certstest.New(t, "kvs")
	c1 := secureConfig(t, a, "n1", config.TLSRequired)
	h1 := startHost(t, testOptions(c1))
	stranger, err := net.Dial("udp", c1.Listen)
	require.NoError(t, err)
	defer stranger.Close()
	count := func() (in, refused, replayed uint64) {
		s := h1.Stats()
		return s.Datagrams.In, s.Datagrams.InRefused, s.DatagramsReplayed
	}
	send := func(datagram []byte) {
		_, err := stranger.Write(datagram)
		require.NoError(t, err)
	}

	// A message as a member of this cluster would write it, but for the seal: it ended all members once.
	forged := wire.Seal(append(make([]byte, 0, 64), forgedEnvelope(c1.Cluster, 7, 1<<44)...))
	send(forged)
	require.Eventually(t, func() bool { _, refused, _ := count(); return refused == 1 }, patience, time.Millisecond)

	// With another key, and with the right key under another cluster's name.
	for _, by := range []struct {
		key     seal.Key
		cluster string
	}{{seal.Key{9}, "kvs"}, {testKey, "other"}} {
		_, before, _ := count()
		send(sealedBy(t, by.key, by.cluster, forged))
		require.Eventually(t, func() bool {
			_, refused, _ := count()
			return refused == before+1
		}, patience, time.Millisecond)
	}
	in, _, _ := count()
	require.Zero(t, in)

	// One that a member has sealed, and once more.
	genuine := sealedBy(t, testKey, "kvs", forged)
	send(genuine)
	require.Eventually(t, func() bool { in, _, _ := count(); return in == 1 }, patience, time.Millisecond)
	send(genuine)
	require.Eventually(t, func() bool { _, _, replayed := count(); return replayed == 1 }, patience, time.Millisecond)
	require.NoError(t, stranger.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	n, _ := stranger.Read(make([]byte, 2000))
	require.Zero(t, n, "nobody is answered")
}

// forgedEnvelope is a message of gossip with a body that makes no sense.
func forgedEnvelope(cluster string, from, stamp uint64) []byte {
	b := []byte{wire.Version, byte(wire.KindGossip)}
	b = binary.LittleEndian.AppendUint32(b, wire.ClusterHash(cluster))
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = binary.LittleEndian.AppendUint64(b, from)
	b = binary.LittleEndian.AppendUint64(b, stamp)
	return append(b, "nonsense"...)
}

func sealedBy(t *testing.T, key seal.Key, cluster string, data []byte) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keyring")
	require.NoError(t, os.WriteFile(path, seal.Document(key), 0o600))
	keys, err := seal.OpenKeyring(path)
	require.NoError(t, err)
	s, err := seal.NewSealer(keys, cluster)
	require.NoError(t, err)
	out, err := s.Seal(data)
	require.NoError(t, err)
	return out
}

// A member with a certificate of its own speaks in the name of another, and is not heard.
func TestAMemberCannotSpeakInTheNameOfAnother(t *testing.T) {
	a := certstest.New(t, "kvs")
	h1, h2 := startSecurePair(t, a)
	s2, err := h2.Status(t.Context())
	require.NoError(t, err)
	frame := wire.Seal(forgedEnvelope("kvs", uint64(s2.ID), 1<<60))
	batch := append(binary.LittleEndian.AppendUint32([]byte{1}, uint32(len(frame))), frame...)
	post := func(as string) (foreign uint64) {
		t.Helper()
		s, err := h1.Status(t.Context())
		require.NoError(t, err)
		before := s.Counters
		status, body := askWith(t, clientOf(t, a, a.Member(as)), http.MethodPost, "https://"+h1.Addr()+api.PathFrames,
			string(batch))
		require.Equal(t, http.StatusNoContent, status, body)
		require.Eventually(t, func() bool { // n2 itself sends none but of other kinds, all of which are good.
			s, err = h1.Status(t.Context())
			return err == nil &&
				(s.Counters.FramesForeign > before.FramesForeign || s.Counters.FramesBad > before.FramesBad)
		}, patience, time.Millisecond)
		return s.Counters.FramesForeign - before.FramesForeign
	}
	require.EqualValues(t, 1, post("n3"))
	require.EqualValues(t, 0, post("n2"), "its content is bad, its sender is not")

	// On a stream likewise.
	conn := dialAs(t, h1, a.Member("n3"))
	becomeStream(t, conn)
	_, err = conn.Write(append([]byte{0, byte(len(frame)), 0, 0}, frame...))
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		s, err := h1.Status(t.Context())
		return err == nil && s.Counters.FramesForeign == 2
	}, patience, time.Millisecond)
	_, text := askWith(t, clientOf(t, a, certstest.Files{}), http.MethodGet, "https://"+h1.Addr()+"/metrics", "")
	require.True(t, strings.Contains(text, `kvs_messages_total{result="impostor",transport="frame"} 2`),
		"the metrics say so")
}

// A member keeps its name: the others would not hear it under another one.
func TestAMemberKeepsItsName(t *testing.T) {
	a := certstest.New(t, "kvs")
	c1 := secureConfig(t, a, "n1", config.TLSRequired)
	h1 := startHost(t, testOptions(c1))
	c2 := secureConfig(t, a, "n2", config.TLSRequired, c1.Listen)
	h2 := startHost(t, testOptions(c2))
	meet(t, h1, h2)
	stopHost(t, h2)
	c2.Name = "n9"
	f := a.Member("n9")
	c2.TLS.Cert, c2.TLS.Key = f.Cert, f.Key
	_, err := Start(t.Context(), testOptions(c2))
	require.ErrorIs(t, err, ErrRenamed)
	require.ErrorContains(t, err, `that of the member "n2"`)
	c2.Name = "n2"
	f = a.Member("n2")
	c2.TLS.Cert, c2.TLS.Key = f.Cert, f.Key
	replicates(t, h1, startHost(t, testOptions(c2)), "a")
}

// Who got in with a certificate of an authority that has been taken out since is put out, and a member that has a new
// certificate is spoken to again.
func TestAnAuthorityThatIsTakenOutEndsConnections(t *testing.T) {
	a, b := certstest.New(t, "kvs"), certstest.New(t, "kvs")
	c1, c2 := secureConfig(t, a, "n1", config.TLSRequired), secureConfig(t, a, "n2", config.TLSRequired)
	c2.Seeds = []string{c1.Listen}
	for _, c := range []*config.Config{c1, c2} { // a file of its own for each node: certstest has one for all.
		content, err := os.ReadFile(a.CA)
		require.NoError(t, err)
		c.TLS.CA = filepath.Join(t.TempDir(), "ca.crt")
		require.NoError(t, os.WriteFile(c.TLS.CA, content, 0o600))
	}
	h1, h2 := startHost(t, testOptions(c1)), startHost(t, testOptions(c2))
	meet(t, h1, h2)
	replicates(t, h1, h2, "a")
	thief := dialAs(t, h1, a.Member("n2"))
	_, err := io.WriteString(thief, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	line := make([]byte, len("HTTP/1.1 200"))
	_, err = io.ReadFull(thief, line)
	require.NoError(t, err)
	require.Equal(t, "HTTP/1.1 200", string(line))

	install := func(c *config.Config, name string, cas ...string) {
		t.Helper()
		f := b.Member(name)
		var both []byte
		for _, ca := range cas {
			content, err := os.ReadFile(ca)
			require.NoError(t, err)
			both = append(both, content...)
		}
		for from, to := range map[string]string{f.Cert: c.TLS.Cert, f.Key: c.TLS.Key} {
			content, err := os.ReadFile(from)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(to, content, 0o600))
		}
		require.NoError(t, os.WriteFile(c.TLS.CA, both, 0o600))
	}
	install(c1, "n1", a.CA, b.CA)
	install(c2, "n2", a.CA, b.CA)
	require.NoError(t, h1.Reload())
	require.NoError(t, h2.Reload())
	_, err = io.WriteString(thief, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	rest := make([]byte, 4096)
	n, err := thief.Read(rest) // what was left of the answer: the connection is open.
	require.NoError(t, err)
	require.NotZero(t, n)
	install(c1, "n1", b.CA)
	install(c2, "n2", b.CA)
	require.NoError(t, h1.Reload())
	require.NoError(t, h2.Reload())
	require.NoError(t, thief.SetReadDeadline(time.Now().Add(patience)))
	_, err = io.Copy(io.Discard, thief)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "it is closed")
	replicates(t, h1, h2, "c")
	replicates(t, h2, h1, "d")
}
