package integration_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"kvs/chaos"
	"kvs/chaos/docker"
	"kvs/node"
	"kvs/node/client"
	"kvs/node/host/secrets"
)

// patience is how long anything may take on a busy machine before a test gives up on it. No test waits so long when all
// is well.
const patience = 2 * time.Minute // a deadline for what ought to happen within seconds: a busy machine takes longer.

var (
	image   string // built by TestMain.
	missing error  // why there is none.
)

// TestMain builds the image once. Without a Docker engine the tests skip and say so; with KVS_REQUIRE_DOCKER=1, as in
// continuous integration, that is a failure.
func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

func buildAndRun(m *testing.M) int {
	if missing = docker.Available(); missing != nil {
		fmt.Fprintf(os.Stderr, "NO DOCKER, NO INTEGRATION TESTS: %v\n", missing)
		if os.Getenv("KVS_REQUIRE_DOCKER") == "1" {
			fmt.Fprintln(os.Stderr, "KVS_REQUIRE_DOCKER=1: that is a failure")
			return 1
		}
		return m.Run()
	}
	dir, err := folder()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	endOnSignal(dir)
	defer os.RemoveAll(dir)
	if err := buildImage(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() {
		if err := docker.RemoveImage(image); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}()
	return m.Run()
}

// folderPrefix and the PID begin the name of the folder that all files of a run are in.
const folderPrefix = "kvs-integration-"

// folder removes what dead runs have left, and makes the folder of this one, in which the tests have theirs.
func folder() (string, error) {
	if err := docker.RemoveLeftovers(); err != nil { // disks that are mounted in the folders, among others.
		return "", err
	}
	if err := docker.RemoveFolders(os.TempDir(), folderPrefix); err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", fmt.Sprintf("%s%d-", folderPrefix, os.Getpid()))
	if err != nil {
		return "", err
	}
	return dir, os.Setenv("TMPDIR", dir)
}

// endOnSignal takes everything away that the tests have made when somebody ends them, with Ctrl-C for example. What a
// killed run leaves is found by the next one.
func endOnSignal(dir string) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		s := <-signals
		fmt.Fprintf(os.Stderr, "%s: removing containers, volumes, networks, images and files\n", s)
		if err := errors.Join(docker.RemoveOwn(), os.RemoveAll(dir)); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(130)
	}()
}

func buildImage(dir string) error {
	binary, context := filepath.Join(dir, "kvs"), filepath.Join(dir, "context")
	if err := os.Mkdir(context, 0o700); err != nil {
		return err
	}
	build := exec.Command("go", "build", "-trimpath", "-o", binary, "kvs/cmd/kvs")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build kvs: %w\n%s", err, out)
	}
	image = fmt.Sprintf("kvs-chaos:%d", os.Getpid())
	return docker.BuildImage(image, binary, filepath.Join("..", "Dockerfile"), context)
}

// cluster is a docker.Cluster that fails its test instead of returning errors.
type cluster struct {
	*docker.Cluster
	t        *testing.T
	secrets  *secrets.Folder // what its nodes prove themselves with; nil: they do not.
	accident bool            // the test ends nodes behind the cluster's back, and looks itself whether that is seen.
}

// Faster than the defaults, so that a test sees suspicion and repair within seconds.
const fast = "gossip:\n  probe_interval: 300ms\n  probe_timeout: 150ms\n  push_pull_interval: 2s\n  " +
	"dead_dial_interval: 1s\n" +
	"replication:\n  retry_delay_max: 2s\n  sync_interval: 1s\n"

// newCluster starts nodes that know each other and are ready. It is removed with the test, and a failure shows the
// logs.
func newCluster(t *testing.T, nodes int) *cluster {
	t.Helper()
	return newClusterWith(t, docker.Options{Nodes: nodes})
}

// newClusterWith is newCluster with more options; image and folder are filled in.
func newClusterWith(t *testing.T, o docker.Options) *cluster {
	t.Helper()
	return startCluster(t, o, secured)
}

func startCluster(t *testing.T, o docker.Options, secure bool) *cluster {
	t.Helper()
	if missing != nil {
		t.Skipf("NO DOCKER: %v", missing)
	}
	if o.Image == "" {
		o.Image = image
	}
	o.Dir, o.Config = t.TempDir(), fast+o.Config
	c := &cluster{t: t}
	if secure {
		c.secrets = &secrets.Folder{Dir: t.TempDir()}
		o.Secure, o.Secrets = c.secureNode, c.secrets.Path("certs")
	}
	d, err := docker.Start(o)
	require.NoError(t, err)
	c.Cluster = d
	t.Cleanup(func() {
		if !c.accident {
			assert.NoError(t, d.Failures())
		}
		if t.Failed() {
			for i := range o.Nodes {
				log, err := d.Log(i + 1)
				t.Logf("log of n%d (%v):\n%s", i+1, err, log)
			}
		}
		require.NoError(t, d.Close())
	})
	started := o.Nodes - o.Idle
	for i := range started {
		c.awaitAlive(i+1, started)
	}
	return c
}

// do applies faults, as plans write them.
func (c *cluster) do(faults ...string) {
	c.t.Helper()
	for _, text := range faults {
		f, err := chaos.ParseFault(text)
		require.NoError(c.t, err)
		require.NoError(c.t, c.Apply(f))
	}
}

// door is a client that speaks to some of the nodes, or to all.
func (c *cluster) door(nodes ...int) *client.Client {
	c.t.Helper()
	endpoints := c.Endpoints()
	if len(nodes) > 0 {
		endpoints = nil
		for _, i := range nodes {
			endpoints = append(endpoints, c.Endpoint(i))
		}
	}
	o := client.DefaultOptions(endpoints...)
	if c.secrets != nil {
		o.TLS, o.Token = c.administrator()
	}
	cl, err := client.New(o)
	require.NoError(c.t, err)
	c.t.Cleanup(cl.Close)
	return cl
}

func (c *cluster) put(i int, path, value string) {
	c.t.Helper()
	_, err := c.door(i).Put(c.t.Context(), path, node.Eventual, []byte(value), "text/plain")
	require.NoError(c.t, err)
}

// get returns the value that node i shows, or "" when it shows none.
func (c *cluster) get(i int, path string) string {
	c.t.Helper()
	v, err := c.door(i).Get(c.t.Context(), path, node.Eventual)
	if client.IsNotFound(err) {
		return ""
	}
	require.NoError(c.t, err)
	return string(v.Body)
}

func (c *cluster) awaitValue(i int, path, want string) {
	c.t.Helper()
	c.await(fmt.Sprintf("n%d shows %s=%q", i, path, want), func() bool { return c.get(i, path) == want })
}

// awaitAlive waits until node i is ready and counts that many alive members.
func (c *cluster) awaitAlive(i, want int) {
	c.t.Helper()
	door := c.door(i)
	c.await(fmt.Sprintf("n%d is ready and counts %d alive", i, want), func() bool {
		s, err := door.Status(c.t.Context())
		return err == nil && s.Ready && s.Alive == want
	})
}

func (c *cluster) await(what string, happened func() bool) {
	c.t.Helper()
	await(c.t, what, happened)
}

func await(t *testing.T, what string, happened func() bool) {
	t.Helper()
	ctx := within(t, patience)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !happened() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			require.FailNow(t, "waited too long until "+what)
		}
	}
}

// listing is path to version of everything below a directory, as node i shows it.
func (c *cluster) listing(i int, directory string) map[string]string {
	c.t.Helper()
	shown := map[string]string{}
	for e, err := range c.door(i).Entries(
		c.t.Context(), node.ListRequest{Directory: directory, Recursive: true, Limit: 1000}) {
		require.NoError(c.t, err)
		shown[e.Path] = e.ETag
	}
	return shown
}

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
