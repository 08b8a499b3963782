package integration_test

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/chaos/ports"
	"kvs/node"
	"kvs/node/client"
)

// composer is the command that reads compose files: the plugin of docker, or the program of its own.
func composer(t *testing.T) []string {
	t.Helper()
	if exec.Command("docker", "compose", "version").Run() == nil {
		return []string{"docker", "compose"}
	}
	if exec.Command("docker-compose", "version").Run() == nil {
		return []string{"docker-compose"}
	}
	if os.Getenv("KVS_REQUIRE_COMPOSE") == "1" {
		t.Fatal("KVS_REQUIRE_COMPOSE=1, and there is no docker compose")
	}
	t.Skip("NO COMPOSE: neither docker compose nor docker-compose")
	return nil
}

// The compose file makes a cluster whose configuration is all in the environment, and its members outlive a restart.
func TestCompose(t *testing.T) {
	if missing != nil {
		t.Skipf("NO DOCKER: %v", missing)
	}
	first, err := ports.Free(3)
	require.NoError(t, err)
	compose := append(composer(t), "--file", "../deploy/compose/compose.yaml", "--project-name",
		fmt.Sprintf("kvscompose%d", os.Getpid()))
	run := func(args ...string) {
		t.Helper()
		cmd := exec.Command(compose[0], append(compose[1:len(compose):len(compose)], args...)...)
		cmd.Env = append(os.Environ(), "KVS_IMAGE="+image, fmt.Sprintf("KVS_PORT_1=%d", first),
			fmt.Sprintf("KVS_PORT_2=%d", first+1), fmt.Sprintf("KVS_PORT_3=%d", first+2))
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%v\n%s", args, out)
	}
	t.Cleanup(func() { run("down", "--volumes") })
	run("up", "--detach")
	doors := make([]*client.Client, 3)
	for i := range doors {
		doors[i], err = client.New(client.DefaultOptions(fmt.Sprintf("127.0.0.1:%d", first+i)))
		require.NoError(t, err)
		defer doors[i].Close()
	}
	ctx := within(t, patience)
	founded := func() bool {
		for _, c := range doors {
			if st, err := c.Status(ctx); err != nil || !st.Ready || st.Alive != 3 || st.Voters.Epoch == 0 {
				return false
			}
		}
		return true
	}
	await(t, "the cluster of the compose file is founded", founded)
	_, err = doors[0].Put(ctx, "a", node.Linearizable, []byte("1"), "text/plain")
	require.NoError(t, err)
	run("restart", "node1", "node2", "node3")
	await(t, "the members are back", founded)
	v, err := doors[2].Get(ctx, "a", node.Linearizable)
	require.NoError(t, err)
	require.Equal(t, "1", string(v.Body))
}
