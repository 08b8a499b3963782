package process

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// ownerOf is the node whose process, or a child of it, has the socket of a TCP connection from source to target, both
// IPv4 addresses of this machine; zero: none. It asks the kernel: proc(5) has the format of /proc/net/tcp.
func ownerOf(source, target netip.AddrPort, pids []int) int {
	inode := inodeOf(source, target)
	if inode == "" {
		return 0
	}
	socket := "socket:[" + inode + "]"
	for i, pid := range pids {
		if pid != 0 && slices.ContainsFunc(family(pid), func(p int) bool { return holds(p, socket) }) {
			return i
		}
	}
	return 0
}

// inodeOf finds the socket of a connection; empty: there is none.
func inodeOf(source, target netip.AddrPort) string {
	local, remote := procAddress(source), procAddress(target)
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} { // tcp6 has IPv4 addresses, too, mapped.
		text, err := os.ReadFile(table)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			f := strings.Fields(line)
			if len(f) > 9 && strings.HasSuffix(f[1], local) && strings.HasSuffix(f[2], remote) && f[9] != "0" {
				return f[9]
			}
		}
	}
	return ""
}

// procAddress is how the kernel prints an address: "0100007F:1F90" is 127.0.0.1:8080 on a
// machine whose low byte comes first.
func procAddress(a netip.AddrPort) string {
	b := a.Addr().Unmap().As4()
	return fmt.Sprintf("%02X%02X%02X%02X:%04X", b[3], b[2], b[1], b[0], a.Port())
}

// familyMax bounds the processes of one node that are looked at.
const familyMax = 64

// family is a process and its descendants.
func family(pid int) []int {
	all := []int{pid}
	for i := 0; i < len(all) && len(all) < familyMax; i++ {
		// of all its threads, any of which may have started a child.
		lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", all[i]))
		for _, list := range lists {
			text, _ := os.ReadFile(list) // a thread that has ended has no children any more.
			for _, word := range strings.Fields(string(text)) {
				if child, err := strconv.Atoi(word); err == nil {
					all = append(all, child)
				}
			}
		}
	}
	return all
}

// holds reports whether a process has a socket open.
func holds(pid int, socket string) bool {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, _ := os.ReadDir(dir) // a process that is gone has none.
	for _, e := range entries {
		if target, err := os.Readlink(filepath.Join(dir, e.Name())); err == nil && target == socket {
			return true
		}
	}
	return false
}
