package host

import (
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node"
)

// What a node does is on its page.
func TestMetricsOfARunningNode(t *testing.T) {
	h := startHost(t, testOptions(testConfig(t)))
	do(t, h, node.OpPut, "a", "1")
	for _, target := range []string{"/kv/b", "/metrics"} { // the first is not there.
		resp, err := http.Get("http://" + h.Addr() + target)
		require.NoError(t, err)
		page, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		if target != "/metrics" {
			continue
		}
		require.Equal(t, http.StatusOK, resp.StatusCode)
		for _, line := range []string{
			`kvs_requests_total{code="not_found",level="eventual",op="get"} 1`, `kvs_operations_total{kind="write"} 1`,
			`kvs_mode{mode="normal"} 1`,
			`kvs_members{state="alive"} 1`, `kvs_ready 1`, `kvs_persist_failures_total 0`,
			`kvs_scrape_failures_total{source="snapshot"} 0`,
			`kvs_scrape_failures_total{source="store"} 0`,
		} {
			require.Contains(t, string(page), line+"\n")
		}
		require.NotContains(t, string(page), "kvs_persist_duration_seconds_count 0\n")
		require.Regexp(t, `\nkvs_store_free_bytes [1-9]`, string(page))
		require.Contains(t, string(page), `kvs_build_info{go="`)
	}
}
