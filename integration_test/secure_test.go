package integration_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/chaos/docker"
	"kvs/node"
	"kvs/node/api"
	"kvs/node/client/profile"
	"kvs/node/host/certs"
)

// secured has the whole suite run on clusters with TLS, sealed gossip and tokens: KVS_TEST_SECURE=1.
var secured = os.Getenv("KVS_TEST_SECURE") == "1"

// secureNode is docker.Options.Secure.
func (c *cluster) secureNode(cluster, name, host, config string) (string, error) {
	c.secrets.Cluster = cluster
	if err := c.secrets.MakeNode(name, []string{host}); err != nil {
		return "", err
	}
	return c.secrets.Secured(name, docker.SecretsInside, config)
}

// administrator is with what the administrator asks.
func (c *cluster) administrator() (*tls.Config, string) {
	c.t.Helper()
	p := profile.Profile{CA: c.secrets.Path("certs", "ca.crt"), TokenFile: c.secrets.Path("admin", "token")}
	config, token, err := p.Credentials()
	require.NoError(c.t, err)
	return config, token
}

// newSecureCluster is newCluster with TLS, sealed gossip and tokens.
func newSecureCluster(t *testing.T, nodes int) *cluster {
	t.Helper()
	return startCluster(t, docker.Options{Nodes: nodes}, true)
}

// ask asks node i over TLS, with a certificate if there is one, and without a token.
func (c *cluster) ask(i int, pair *tls.Certificate, method, target, body string) (status int, answer string) {
	c.t.Helper()
	config, _ := c.administrator()
	if pair != nil {
		config.Certificates = []tls.Certificate{*pair}
	}
	asker := &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
	url := "https://" + c.Endpoint(i) + target
	req, err := http.NewRequestWithContext(c.t.Context(), method, url, strings.NewReader(body))
	require.NoError(c.t, err)
	req.Header.Set("Content-Type", api.ContentTypeBinary)
	resp, err := asker.Do(req)
	require.NoError(c.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(c.t, err)
	return resp.StatusCode, string(text)
}

// metric is a line of a node's metrics without its value, as far as it is there.
func (c *cluster) metric(i int, name string) (value int) {
	c.t.Helper()
	status, text := c.ask(i, c.certificate(certs.Admin, "watcher"), http.MethodGet, "/metrics", "")
	require.Equal(c.t, http.StatusOK, status, text)
	for line := range strings.SplitSeq(text, "\n") {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			_, err := fmt.Sscan(rest, &value)
			require.NoError(c.t, err)
			return value
		}
	}
	c.t.Fatalf("there is no metric %s", name)
	return 0
}

// certificate makes one that the cluster's authority vouches for.
func (c *cluster) certificate(role certs.Role, name string) *tls.Certificate {
	c.t.Helper()
	a, err := c.secrets.Authority()
	require.NoError(c.t, err)
	p, err := a.Issue(certs.Identity{Cluster: c.secrets.Cluster, Role: role, Name: name}, nil, time.Hour)
	require.NoError(c.t, err)
	pair, err := tls.X509KeyPair(p.Cert, p.Key)
	require.NoError(c.t, err)
	return &pair
}

// A cluster with TLS, sealed gossip and tokens goes through partition, loss, crash and wipe as any other does.
func TestSecureClusterUnderFaults(t *testing.T) {
	c := newSecureCluster(t, 3)
	c.put(1, "s/a", "1")
	c.awaitValue(3, "s/a", "1")
	_, err := c.door(2).Put(t.Context(), "s/chosen", node.Linearizable, []byte("1"), "text/plain")
	require.NoError(t, err)

	c.do("partition n1 | n2,n3")
	c.awaitAlive(1, 1)
	c.awaitAlive(2, 2)
	c.put(1, "s/left", "l")
	c.put(2, "s/right", "r")
	c.do("heal", "loss 20%", "crash n3", "restart n3")
	for i := range 3 {
		c.awaitValue(i+1, "s/left", "l")
		c.awaitValue(i+1, "s/right", "r")
	}
	c.do("heal", "crash n2", "wipe n2", "restart n2") // a new identity under the same name.
	c.awaitValue(2, "s/a", "1")
	for i := range 3 {
		c.await("n2 has its new identity everywhere", func() bool {
			s, err := c.door(i + 1).Status(t.Context())
			return err == nil && s.Ready && s.Alive == 3
		})
		require.Zero(t, c.metric(i+1, `kvs_messages_total{result="impostor",transport="frame"}`))
	}
}

// Somebody in the network of the nodes, without a certificate, a key or a token, gets nothing and breaks nothing.
func TestStrangersInTheNetworkGetNothing(t *testing.T) {
	c := newSecureCluster(t, 3)
	c.put(1, "s/a", "secret text")

	// Who does not speak TLS reads the reason and nothing else.
	plain, err := net.DialTimeout("tcp", c.Endpoint(1), patience)
	require.NoError(t, err)
	defer plain.Close()
	require.NoError(t, plain.SetDeadline(time.Now().Add(patience)))
	_, err = io.WriteString(plain, "GET /kv/s/a HTTP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	told, err := io.ReadAll(plain)
	require.NoError(t, err)
	require.Contains(t, string(told), "speaks TLS alone")

	for target, want := range map[string]int{
		"/kv/s/a": 401, "/kv/": 401, "/status": 401, "/members/": 401, "/metrics": 401, "/tokens": 401,
		"/livez": 200, "/nothing": 401,
	} {
		status, text := c.ask(1, nil, http.MethodGet, target, "")
		require.Equal(t, want, status, "%s: %s", target, text)
		require.NotContains(t, text, "secret text")
	}
	admin, app := c.certificate(certs.Admin, "root"), c.certificate(certs.Client, "app")
	for _, pair := range []*tls.Certificate{nil, admin, app} {
		status, _ := c.ask(1, pair, http.MethodPost, api.PathFrames, "frames")
		require.Equal(t, http.StatusForbidden, status)
	}
	status, _ := c.ask(1, c.certificate(certs.Member, "n2"), http.MethodPost, api.PathFrames, "frames")
	require.Equal(t, http.StatusBadRequest, status, "the door is open for members")

	// Datagrams from the network of the nodes.
	const refused = `kvs_datagrams_total{result="in_refused"}`
	before := c.metric(1, refused)
	udp, err := net.Dial("udp", c.Gossip(1))
	require.NoError(t, err)
	defer udp.Close()
	c.await("n1 has refused datagrams", func() bool {
		sealed, plain := "\xe5\x01"+strings.Repeat("k", 200), "\x02\x01"+strings.Repeat("m", 1300)
		for _, text := range []string{"", "x", sealed, plain} {
			if _, err := udp.Write([]byte(text)); err != nil {
				return false
			}
		}
		return c.metric(1, refused) >= before+3
	})
	require.NoError(t, udp.SetReadDeadline(time.Now().Add(100*time.Millisecond)))
	n, _ := udp.Read(make([]byte, 2000))
	require.Zero(t, n, "nobody is answered")
	for i := range 3 {
		c.awaitAlive(i+1, 3)
		c.awaitValue(i+1, "s/a", "secret text")
	}
}
