package rest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node/api"
)

func TestValueLimits(t *testing.T) {
	s := newSite(t)
	r := s.do("PUT", "/kv/a", strings.Repeat("x", testValueBytesMax))
	require.Equal(t, http.StatusCreated, r.status)
	for _, size := range []int{testValueBytesMax + 1, 20 << 20} {
		p := s.do("PUT", "/kv/a", strings.Repeat("x", size)).problem(api.ValueTooLarge)
		require.Contains(t, p.Detail, strconv.Itoa(testValueBytesMax)+" bytes")
		require.Equal(t, api.NotApplied, p.Outcome)
	}
	// In chunks, without a length beforehand; and in absolute form.
	body := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", testValueBytesMax+1, strings.Repeat("x", testValueBytesMax+1))
	s.raw("PUT /kv/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + body).problem(api.ValueTooLarge)
	s.raw("PUT http://x/kv/a HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n" + strings.Repeat("x", 1001)).problem(
		api.ValueTooLarge)
	require.Len(t, s.core.taken(), 1)
	s.do("POST", "/members/join", strings.Repeat(" ", jsonBytesMax+1), "Content-Type", "application/json").problem(
		api.BodyTooLarge)
}

// A value has the limit of values, however its target is written.
func TestValueLimitOfATargetInAbsoluteForm(t *testing.T) {
	s := newSite(t, func(o *Options) { o.ValueBytesMax = 2 * jsonBytesMax })
	put := func(target string, size int) reply {
		return s.raw(fmt.Sprintf("PUT %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s",
			target, size, strings.Repeat("x", size)))
	}
	for _, target := range []string{"/kv/a", "http://x/kv/b", "HTTP://x:7001/kv/c"} {
		require.Equal(t, http.StatusCreated, put(target, 2*jsonBytesMax).status, target)
		put(target, 2*jsonBytesMax+1).problem(api.ValueTooLarge)
	}
	put("http://x/policy?a=://x/kv/", jsonBytesMax+1).problem(api.BodyTooLarge)
}

// A body that does not arrive whole writes nothing.
func TestBodyCutShort(t *testing.T) {
	s := newSite(t)
	p := s.raw("PUT /kv/a HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n0123456789").problem(api.BadRequest)
	require.Equal(t, api.NotApplied, p.Outcome)
	s.raw("PUT /kv/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel").problem(api.BadRequest)
	s.raw("PUT /kv/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n").problem(
		api.BadRequest)

	for _, text := range []string{
		// between two chunks, which have a whole request before them on the connection or not.
		"PUT /kv/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
		"GET /livez HTTP/1.1\r\nHost: x\r\n\r\nPUT /kv/a HTTP/1.1\r\nHost: x\r\n" +
			"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
	} {
		c := s.dial()
		_, err := io.WriteString(c, text)
		require.NoError(t, err)
		require.NoError(t, c.(*net.TCPConn).CloseWrite())
		answers := bufio.NewReader(c)
		if strings.HasPrefix(text, "GET") {
			resp, err := http.ReadResponse(answers, nil)
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, readReply(t, resp).status)
		}
		resp, err := http.ReadResponse(answers, nil)
		require.NoError(t, err)
		require.Equal(t, api.NotApplied, readReply(t, resp).problem(api.BadRequest).Outcome)
		rest, err := io.ReadAll(answers)
		require.NoError(t, err)
		require.Empty(t, rest)
	}
	for _, text := range []string{"", "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"} {
		// whoever asks nothing more is told nothing more.
		c := s.dial()
		_, err := io.WriteString(c, text)
		require.NoError(t, err)
		require.NoError(t, c.(*net.TCPConn).CloseWrite())
		answers, err := io.ReadAll(c)
		require.NoError(t, err)
		require.NotContains(t, string(answers), "HTTP/1.1 4")
	}
	require.Empty(t, s.core.taken())
	s.do("GET", "/kv/a", "").problem(api.NotFound)
}

// What the HTTP library would like to take apart stays as it came.
func TestBodiesAreRaw(t *testing.T) {
	s := newSite(t)
	form := "--b\r\nContent-Disposition: form-data; name=\"f\"\r\n\r\nvalue\r\n--b--\r\n"
	for _, c := range [][2]string{
		{"multipart/form-data; boundary=b", form}, {"multipart/form-data; boundary=b", "no form at all"},
		{"application/x-www-form-urlencoded", "a=1&b=%zz"}, {"application/json", "{"}, {"", "\x00\xff"},
	} {
		require.Less(t, s.do("PUT", "/kv/a", c[1], "Content-Type", c[0]).status, 300)
		require.Equal(t, c[1], s.do("GET", "/kv/a", "").body)
	}
	before := len(s.core.taken())
	for _, encoding := range []string{"gzip", "br, gzip", "nonsense"} {
		p := s.do("PUT", "/kv/a", "x", "Content-Encoding", encoding).problem(api.BadMediaType)
		require.Equal(t, api.NotApplied, p.Outcome)
	}
	require.Len(t, s.core.taken(), before)
	require.Equal(t, http.StatusNoContent, s.do("PUT", "/kv/a", "as it is", "Content-Encoding", "identity").status)
	require.Equal(t, "as it is", s.do("GET", "/kv/a", "").body)
}
