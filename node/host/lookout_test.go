package host

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// look makes h's lookout look, with a resolver that knows no name, and returns what it says.
func look(t *testing.T, h *Host, silent bool) []string {
	t.Helper()
	l := newLookout(h)
	l.resolve = func(context.Context, string) error { return &net.DNSError{Err: "no such host", IsNotFound: true} }
	w := l.look(t.Context(), silent)
	l.tell(w)
	return w
}

// A node that expects others and has met none is not taken for a cluster, and says which seeds do not resolve or do not
// answer: three of them were three clusters of one, each ready.
func TestANodeThatExpectsOthersAndMeetsNone(t *testing.T) {
	silent := testConfig(t).Listen
	c := testConfig(t, "no-such-host.invalid:7001", silent)
	c.ExpectedMembers = 3
	c.Replication.BootstrapWait = 10 * time.Millisecond
	h := startHost(t, testOptions(c))
	require.Eventually(t, func() bool { return serves(h.Mode()) }, patience, time.Millisecond)

	require.Len(t, look(t, h, false), 1, "whoever starts beside it may answer soon")
	w := look(t, h, true)
	require.Len(t, w, 2)
	require.Contains(t, w[0], "seed no-such-host.invalid:7001: the name does not resolve (no such host)")
	require.Contains(t, w[1], "seed "+silent+": no member answers there")

	status, body := request(t, http.MethodGet, "http://"+h.Addr()+"/readyz", "")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Contains(t, body, "1 of 3 expected members, the cluster is not founded")
	require.Contains(t, body, "no-such-host.invalid:7001")
	_, body = request(t, http.MethodGet, "http://"+h.Addr()+"/status", "")
	require.Contains(t, body, `"warnings":["seed no-such-host`)
}

// A warning is logged once, and its end too.
func TestWarningsAreLoggedOnce(t *testing.T) {
	var log bytes.Buffer
	h := &Host{logger: slog.New(slog.NewTextHandler(&log, nil))}
	l := &lookout{h: h}
	for _, w := range [][]string{nil, {"a"}, {"a", "b"}, {"b"}, nil, nil} {
		l.tell(w)
		require.Equal(t, w, h.Warnings())
	}
	for text, times := range map[string]int{"msg=a": 1, "msg=b": 1, "warning has ended": 1} {
		require.Equal(t, times, strings.Count(log.String(), text), log.String())
	}
}

// An advertised address at which nobody can be reached is noticed, and so is one of somebody else.
func TestAnAdvertisedAddressThatIsNotThisNode(t *testing.T) {
	other := startHost(t, testOptions(testConfig(t)))
	for advertise, says := range map[string]string{
		testConfig(t).Listen: "this node does not answer there", "node.invalid:7001": "does not resolve",
		other.Addr(): "another node",
	} {
		c := testConfig(t)
		c.Advertise = advertise
		h := startHost(t, testOptions(c))
		w := look(t, h, true)
		require.Len(t, w, 1)
		require.Contains(t, w[0], "advertise "+advertise)
		require.Contains(t, w[0], says)
	}
	require.Empty(t, look(t, other, true))
	require.Equal(t, "broken", reasonOf(errors.New("broken")))
}
