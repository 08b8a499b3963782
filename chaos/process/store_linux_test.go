package process

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/chaos"
)

// The nodes of another store get their ports, their files and their variables, and a relay before each port.
func TestNodesOfAnotherStore(t *testing.T) {
	dir := t.TempDir()
	command := func(own chaos.Place, all []chaos.Place) (chaos.Command, error) {
		require.Len(t, all, 3)
		require.NotEqual(t, own.Host, own.Front)
		require.NotEqual(t, own.Ports[0], own.Ports[1])
		return chaos.Command{Program: "sh", Args: []string{"-c", `echo "$WHO" >data/who; cat node.conf; sleep 1000`},
			Env: []string{"WHO=" + own.Name}, Files: map[string]string{"node.conf": own.Data + "\n"}}, nil
	}
	store := &chaos.Store{Ports: 2, Client: 1, Command: command}
	c, err := Start(Options{Store: store, Dir: dir, Nodes: 3, Rand: rand.New(rand.NewPCG(1, uint64(os.Getpid())))})
	require.NoError(t, err)
	defer c.Close()
	for i := 1; i <= 3; i++ {
		data := filepath.Join(dir, fmt.Sprintf("n%d", i), "data")
		require.Eventually(t, func() bool {
			log, err := c.Log(i)
			who, _ := os.ReadFile(filepath.Join(data, "who"))
			return err == nil && log == data+"\n" && string(who) == fmt.Sprintf("n%d\n", i)
		}, patience, 1e6)
		own, front := netip.MustParseAddrPort(c.Endpoints()[i-1]), netip.MustParseAddrPort(c.Fronts()[i-1])
		require.Equal(t, c.relays.doors[1].addrs[i], own)
		require.Equal(t, c.relays.doors[1].front[i], front)
	}
	for _, k := range []chaos.Kind{chaos.Wipe, chaos.SwapDisks, chaos.Skew, chaos.DiskFull} {
		require.False(t, c.Supports(k), "%s", k)
	}
	for _, k := range []chaos.Kind{chaos.Partition, chaos.Crash, chaos.Pause, chaos.Clog, chaos.Recover} {
		require.True(t, c.Supports(k), "%s", k)
	}
	require.True(t, c.Reaches(1, 2))
	f, err := chaos.ParseFault("partition n1 | n2,n3")
	require.NoError(t, err)
	require.NoError(t, c.Apply(f))
	require.False(t, c.Reaches(1, 2))
	require.True(t, c.Reaches(2, 3))
	require.NoError(t, c.Apply(chaos.Fault{Kind: chaos.Crash, Nodes: []int{2}}))
	require.Zero(t, c.relays.pids[2])
	require.NoError(t, c.Apply(chaos.Fault{Kind: chaos.Recover}))
	require.Equal(t, c.PID(2), c.relays.pids[2])
	require.NoError(t, c.Failures())
}

// A node that binds its sockets to no address of its own is known by its process, or by a child of it, and cut off all
// the same; a process that is no node is not let through.
func TestConnectionsAreKnownByTheirProcess(t *testing.T) {
	r := newRelays(t)
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(r.addrs[2]))
	require.NoError(t, err)
	defer l.Close()

	// this process is n1 now, and then no node.
	r.runs(1, os.Getpid())
	near, err := net.Dial("tcp", r.front[2].String())
	require.NoError(t, err)
	defer near.Close()
	require.Equal(t, "127.0.0.1", near.LocalAddr().(*net.TCPAddr).IP.String())
	far, err := l.Accept()
	require.NoError(t, err)
	defer far.Close()
	_, err = near.Write([]byte("one"))
	require.NoError(t, err)
	buf := make([]byte, 3)
	_, err = io.ReadFull(far, buf)
	require.NoError(t, err)
	apply(t, r, "reset n1 -> n2")
	_, err = io.ReadFull(far, buf)
	require.Error(t, err, "it is a connection of n1")
	r.runs(1, 0)
	stranger, err := net.Dial("tcp", r.front[2].String())
	require.NoError(t, err)
	defer stranger.Close()
	_, err = io.ReadFull(stranger, buf)
	require.Error(t, err)

	// a child of n1's process.
	front := r.front[2]
	cmd := exec.Command("bash", "-c", fmt.Sprintf(`(exec 3<>/dev/tcp/%s/%d; echo hello >&3; read x <&3); true`,
		front.Addr(), front.Port()))
	r.mu.Lock() // the connection is looked at once the process is known.
	require.NoError(t, cmd.Start())
	r.pids[1] = cmd.Process.Pid
	r.mu.Unlock()
	child, err := l.Accept()
	require.NoError(t, err)
	text := make([]byte, len("hello\n"))
	_, err = io.ReadFull(child, text)
	require.NoError(t, err)
	require.Equal(t, "hello\n", string(text))
	r.mu.Lock()
	for p := range r.conns {
		require.Equal(t, [2]int{1, 2}, [2]int{p.from, p.to})
	}
	r.mu.Unlock()
	child.Close()
	require.NoError(t, cmd.Wait())
}

func TestCommandsThatCannotBeMade(t *testing.T) {
	bad := &chaos.Store{Ports: 1, Command: func(chaos.Place, []chaos.Place) (chaos.Command, error) {
		return chaos.Command{}, fmt.Errorf("no port")
	}}
	_, err := Start(Options{Store: bad, Dir: t.TempDir(), Nodes: 2, Rand: rand.New(rand.NewPCG(1, 1))})
	require.ErrorContains(t, err, "the command of n1: no port")
	require.True(t, strings.HasPrefix(procAddress(netip.MustParseAddrPort("127.0.0.1:8080")), "0100007F:1F90"))
}
