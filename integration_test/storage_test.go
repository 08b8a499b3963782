package integration_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/chaos/docker"
	"kvs/node"
	"kvs/node/api"
	"kvs/node/client"
)

// A full disk makes a node refuse writes, not end. It reads, the others work, and space makes it whole again.
func TestDiskFull(t *testing.T) {
	c := newClusterWith(t, docker.Options{Nodes: 3, DiskBytes: docker.DiskBytesMin})
	c.put(1, "f/before", "1")
	c.awaitValue(3, "f/before", "1")
	c.do("disk-full n1")
	door := c.door(1)
	c.await("n1 knows it", func() bool {
		s, err := door.Status(t.Context())
		return err == nil && s.Mode == "read-only" && slices.Contains(s.Reasons, "disk")
	})
	_, err := door.Put(t.Context(), "f/refused", node.Eventual, []byte("x"), "text/plain")
	var e *client.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, api.NotApplied, e.Outcome)
	require.Equal(t, "1", c.get(1, "f/before"))
	for i := range 20 {
		c.put(2, fmt.Sprintf("f/elsewhere/%d", i), "2")
	}
	c.awaitValue(3, "f/elsewhere/19", "2")
	c.do("heal-disks n1")
	c.await("n1 takes writes again", func() bool {
		_, err := c.door(1).Put(t.Context(), "f/after", node.Eventual, []byte("3"), "text/plain")
		return err == nil
	})
	for i := range 3 {
		c.awaitValue(i+1, "f/after", "3")
		c.awaitValue(i+1, "f/elsewhere/19", "2")
		c.awaitAlive(i+1, 3)
	}
}

// A node that lost its disk comes back as a new member and gets everything from the others.
func TestWipedDisk(t *testing.T) {
	c := newCluster(t, 3)
	c.put(3, "l/kept", "1")
	c.awaitValue(1, "l/kept", "1")
	c.awaitValue(2, "l/kept", "1")
	before, err := c.door(3).Status(t.Context())
	require.NoError(t, err)
	c.do("crash n3", "wipe n3", "restart n3")
	c.awaitAlive(3, 3)
	c.awaitValue(3, "l/kept", "1")
	after, err := c.door(3).Status(t.Context())
	require.NoError(t, err)
	require.NotEqual(t, before.ID, after.ID, "another disk is another member")
}
