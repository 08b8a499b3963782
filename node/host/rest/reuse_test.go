package rest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// fiber and fasthttp reuse the memory of a request for the next one. The core holds on to what it was given, so
// whatever was not copied at the edge has changed by the end of this test; and so has a value on its way out, were the
// library to write to it.
func TestNothingIsCorruptedByReuse(t *testing.T) {
	s := newSite(t)
	const clients, rounds = 8, 40
	text := func(client, round int) string {
		return strings.Repeat(fmt.Sprintf("%d.%d ", client, round), 1+(client*31+round*17)%90)
	}
	var wg sync.WaitGroup
	failures := make(chan error, clients)
	for i := range clients {
		wg.Go(func() {
			transport := &http.Transport{}
			defer transport.CloseIdleConnections()
			for n := range rounds {
				url := fmt.Sprintf("http://%s/kv/c%d/%%72ound%d", s.addr, i, n)
				if err := putAndGet(transport, url, fmt.Sprintf("text/c%d-%d", i, n), text(i, n)); err != nil {
					failures <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(failures)
	for err := range failures {
		require.NoError(t, err)
	}
	taken := s.core.taken()
	require.Len(t, taken, clients*rounds)
	for _, r := range taken {
		var i, n int
		_, err := fmt.Sscanf(r.Path, "c%d/round%d", &i, &n)
		require.NoError(t, err, "a path has changed: %q", r.Path)
		require.Equal(t, text(i, n), string(r.Value), "a value has changed")
		require.Equal(t, fmt.Sprintf("text/c%d-%d", i, n), r.ContentType, "a Content-Type has changed")
	}
}

func putAndGet(transport *http.Transport, url, contentType, body string) error {
	put, err := http.NewRequest(http.MethodPut, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	put.Header.Set("Content-Type", contentType)
	resp, err := transport.RoundTrip(put)
	if err != nil {
		return err
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		return fmt.Errorf("PUT %s: %s", url, resp.Status)
	}
	get, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	if resp, err = transport.RoundTrip(get); err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || !bytes.Equal(b, []byte(body)) || resp.Header.Get("Content-Type") != contentType {
		return fmt.Errorf("GET %s: %v, %q", url, err, b)
	}
	return nil
}
