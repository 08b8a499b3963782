package nats

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/scenarios/live/driver"
	"kvs/scenarios/live/driver/drivertest"
)

func TestNATS(t *testing.T) {
	endpoint := drivertest.Start(t, "nats-server", "nats-server", func(host, port string) []string {
		return []string{"--addr", host, "--port", port, "--jetstream", "--store_dir", t.TempDir()}
	})
	for _, reads := range []string{"leader", "direct"} {
		d, err := New(Options{Reads: reads})
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			return d.(driver.Preparer).Prepare(t.Context(), []string{endpoint}) == nil
		}, time.Minute, 20*time.Millisecond)
		drivertest.Run(t, d, endpoint)
		c := client{endpoint: endpoint}
		js, err := c.stream(t.Context())
		require.NoError(t, err)
		require.NoError(t, js.DeleteKeyValue(bucket))
		c.Close()
	}
	_, err := New(Options{Reads: "fast"})
	require.ErrorContains(t, err, "use leader or direct")
}

func TestSubjects(t *testing.T) {
	require.Equal(t, "$KV.kvsim.a/b", subject("a/b"))
	require.Equal(t, "$KV.kvsim.a=2Eb=3D=2A=3E=20", subject("a.b=*> "))
}
