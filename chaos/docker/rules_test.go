package docker

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/chaos"
)

// What stands in the chain for each fault. These tests need neither an engine nor root.
func TestRules(t *testing.T) {
	n := network{chain: "kvs-7-1", subnet: "198.18.7.0/24", ips: []string{"198.18.7.11", "198.18.7.12", "198.18.7.13"}}
	for _, test := range []struct {
		faults []string
		rules  []string
	}{
		{nil, nil},
		{[]string{"cut n1 -> n2"}, []string{"-s 198.18.7.11 -d 198.18.7.12 -j DROP"}},
		{[]string{"partition n1 | n2"},
			[]string{"-s 198.18.7.11 -d 198.18.7.12 -j DROP", "-s 198.18.7.12 -d 198.18.7.11 -j DROP"}},
		{[]string{"partition n1 | n2", "heal"}, nil},
		{[]string{"loss n3 -> n1 30%"},
			[]string{"-s 198.18.7.13 -d 198.18.7.11 -m statistic --mode random --probability 0.300000 -j DROP"}},
		{[]string{"loss n3 -> n1 100%"},
			[]string{"-s 198.18.7.13 -d 198.18.7.11 -m statistic --mode random --probability 1.000000 -j DROP"}},
		{[]string{"loss n3 -> n1 30%", "loss n3 -> n1 0%"}, nil},
		{[]string{"delay n2 -> n1 5ms..9ms"},
			[]string{"-s 198.18.7.12 -d 198.18.7.11 -j NFQUEUE --queue-num 77 --queue-bypass"}},
		{[]string{"delay n2 -> n1 5ms..9ms", "cut n2 -> n1"}, []string{"-s 198.18.7.12 -d 198.18.7.11 -j DROP"}},
		{[]string{"delay n2 -> n1 5ms..9ms", "loss n2 -> n1 2%"}, []string{
			"-s 198.18.7.12 -d 198.18.7.11 -m statistic --mode random --probability 0.020000 -j DROP",
			"-s 198.18.7.12 -d 198.18.7.11 -j NFQUEUE --queue-num 77 --queue-bypass",
		}},
	} {
		n.delay = &delayer{q: &queue{number: 77}}
		links := chaos.NewLinks(3, chaos.Link{})
		for _, text := range test.faults {
			f, err := chaos.ParseFault(text)
			require.NoError(t, err)
			require.True(t, links.Apply(f))
		}
		want := "*raw\n:kvs-7-1 - [0:0]\n"
		for _, r := range test.rules {
			want += "-A kvs-7-1 " + r + "\n"
		}
		require.Equal(t, want+"COMMIT\n", n.restore(links), strings.Join(test.faults, "; "))
	}
}

// A fault that the target does not know, or a node that is not there, is refused before anything happens.
func TestRefusals(t *testing.T) {
	c := &Cluster{nodes: make([]*member, 3), links: chaos.NewLinks(3, chaos.Link{})}
	for _, text := range []string{"corrupt 1%", "skew n1 +1s", "disk-full n1", "crash n4", "wipe n4"} {
		f, err := chaos.ParseFault(text)
		require.NoError(t, err)
		require.Error(t, c.Apply(f), text)
	}
	require.Error(t, c.Apply(chaos.Fault{Kind: chaos.Crash}), "of no node")
	for says, o := range map[string]Options{
		"choose 1 to 9":         {Nodes: chaos.NodesMax + 1},
		"from the beginning":    {Nodes: 3, Idle: 3},
		"no duplicate, reorder": {Nodes: 3, Base: chaos.Link{Reorder: 1}},
	} {
		_, err := Start(o)
		require.ErrorContains(t, err, says)
	}
}

// Where packets between containers pass the rules by, a partition would be none, and the verdict ok.
func TestRulesThatNothingHeedsAreRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bridge-nf-call-iptables")
	require.ErrorContains(t, rulesHold(path), "modprobe br_netfilter", "the module is not there")
	for value, holds := range map[string]bool{"0\n": false, "1\n": true} {
		require.NoError(t, os.WriteFile(path, []byte(value), 0o600))
		require.Equal(t, holds, rulesHold(path) == nil, value)
	}
}

func TestNodesAreConfiguredAsAsked(t *testing.T) {
	n := &member{name: "n1", ip: "198.18.7.11", config: filepath.Join(t.TempDir(), "n1.yaml")}
	for want, o := range map[string]Options{
		"seeds: [198.18.7.11:7001, 198.18.7.12:7001, 198.18.7.13:7001]\nexpected_members: 3\n": {Nodes: 3},
		"seeds: [198.18.7.11:7001, 198.18.7.12:7001]\nexpected_members: 2\n":                   {Nodes: 3, Idle: 1},
		"seeds: [198.18.7.11:7001]\nexpected_members: 2\n": {Nodes: 3, Seeds: 1,
			Voters: 2},
	} {
		c := &Cluster{o: o, network: network{ips: []string{"198.18.7.11", "198.18.7.12", "198.18.7.13"}}}
		require.NoError(t, c.configure(n, ""))
		text, err := os.ReadFile(n.config)
		require.NoError(t, err)
		require.Contains(t, string(text), want)
	}
}

// A run is a leftover when its process is gone, and only then.
func TestOwnerLives(t *testing.T) {
	require.True(t, ownerLives(runOf(os.Getpid())))
	require.True(t, ownerLives(runOf(os.Getppid())))
	child := exec.Command("true")
	require.NoError(t, child.Run())
	require.False(t, ownerLives(runOf(child.Process.Pid)))
	for _, nobody := range []string{"", "x", "0-1", "-1-1"} {
		require.False(t, ownerLives(nobody), nobody)
	}
}

func runOf(pid int) string { return fmt.Sprintf("%d-1", pid) }

// What the kernel says about packets is read as far as it can be understood, and nothing more.
func TestPackets(t *testing.T) {
	header := make([]byte, ipHeaderBytes)
	header[0], header[9] = 0x45, protocolTCP
	copy(header[12:], []byte{10, 0, 0, 1, 10, 0, 0, 2})
	message := func(kind uint16, attributes ...[]byte) []byte {
		b := make([]byte, netlinkBytes)
		for _, a := range attributes {
			b = append(b, a...)
		}
		binary.NativeEndian.PutUint32(b, uint32(len(b)))
		binary.NativeEndian.PutUint16(b[4:], kind)
		return b
	}
	attribute := func(kind uint16, value ...byte) []byte {
		b := binary.NativeEndian.AppendUint16(nil, uint16(4+len(value)))
		b = append(binary.NativeEndian.AppendUint16(b, kind), value...)
		return append(b, make([]byte, (4-len(b)%4)%4)...)
	}
	good := message(messagePacket, attribute(attributePacketID, 0, 0, 1, 2, 8, 0, 0), attribute(99, 1),
		attribute(attributePayload, header...))
	other := message(messagePacket|2, attribute(attributePacketID, 0, 0, 0, 9, 0, 0, 0))
	nameless := message(messagePacket, attribute(attributePayload, header...))
	got := packets(bytes.Join([][]byte{good, other, nameless, good}, nil))
	require.Equal(t, []packet{{0x102, header}, {0x102, header}}, got)
	from, to, tcp, ok := ends(header)
	require.True(t, ok && tcp)
	require.Equal(t, "10.0.0.1 10.0.0.2", from.String()+" "+to.String())
	for n := range good { // cut short anywhere, it is not a packet, and no harm.
		require.Empty(t, packets(good[:n]))
		_, _, _, ok := ends(header[:min(n, ipHeaderBytes-1)])
		require.False(t, ok)
	}
}
