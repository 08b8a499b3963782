package drivertest

import (
	"net"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// requireSystems, set to 1, forbids that a store which is not installed is left out.
const requireSystems = "KVS_REQUIRE_SYSTEMS"

// Start starts a store's program, and returns the endpoint that it was told in its arguments. Without the program the
// test is skipped, unless that is forbidden.
func Start(t *testing.T, program, debian string, args func(host, port string) []string) (endpoint string) {
	t.Helper()
	if testing.Short() {
		t.Skip("real processes are left out of -short runs")
	}
	if _, err := exec.LookPath(program); err != nil {
		require.NotEqual(t, "1", os.Getenv(requireSystems), "%s=1: %v", requireSystems, err)
		t.Skipf("SKIPPED: %v: install %s, or this driver is not tested", err, debian)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	endpoint = l.Addr().String()
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	require.NoError(t, l.Close())
	cmd := exec.Command(program, args("127.0.0.1", port)...)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	require.Eventually(t, func() bool {
		c, err := net.Dial("tcp", endpoint)
		if err == nil {
			c.Close()
		}
		return err == nil
	}, patience, 20*time.Millisecond, "%s does not listen", program)
	return endpoint
}
