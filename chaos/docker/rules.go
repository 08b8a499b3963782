package docker

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"kvs/chaos"
)

const (
	iptablesWait = "5" // seconds that iptables waits for the lock that all its users share.
	chainPrefix  = "kvs-"
)

// network is what the host does to packets between nodes: one chain in the raw table, replaced as a whole.
type network struct {
	chain  string // chainPrefix and the label of the run: 28 bytes at most.
	subnet string
	ips    []string // of node 1, 2, ...
	delay  *delayer // nil until a delay is asked for.
}

// bridgeRules is where the kernel says whether packets between the ports of a bridge, such as containers of one
// network, meet the rules of iptables. It is not there while the module br_netfilter is not.
const bridgeRules = "/proc/sys/net/bridge/bridge-nf-call-iptables"

// rulesHold returns an error if rules could be made but would have no effect.
func rulesHold(path string) error {
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if strings.TrimSpace(string(b)) != "1" {
		return errors.New("packets between containers do not meet the rules of iptables here, so nothing can be cut; " +
			"`modprobe br_netfilter; sysctl -w net.bridge.bridge-nf-call-iptables=1` changes that")
	}
	return nil
}

// install makes an empty chain, through which everything between members passes.
func (n *network) install() error {
	if err := rulesHold(bridgeRules); err != nil {
		return err
	}
	if err := iptables("-N", n.chain); err != nil {
		return err
	}
	return iptables("-I", "PREROUTING", "-s", n.subnet, "-d", n.subnet, "-m", "comment", "--comment", n.chain, "-j",
		n.chain)
}

// enforce replaces all rules at once, so that no packet sees half of a partition.
func (n *network) enforce(links *chaos.Links) (err error) {
	if n.delay == nil && delays(links, len(n.ips)) {
		if n.delay, err = newDelayer(n.ips, links); err != nil {
			return err
		}
	}
	if n.delay != nil {
		n.delay.adopt(links)
	}
	cmd := exec.Command("iptables-restore", "--noflush", "-w", iptablesWait)
	cmd.Stdin = strings.NewReader(n.restore(links))
	return run(cmd)
}

// restore is the chain for these links, as iptables-restore reads it. Naming the chain empties it.
func (n *network) restore(links *chaos.Links) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*raw\n:%s - [0:0]\n", n.chain)
	for i, from := range n.ips {
		for j, to := range n.ips {
			if i == j {
				continue
			}
			rule := fmt.Sprintf("-A %s -s %s -d %s", n.chain, from, to)
			if links.Blocked(i+1, j+1) {
				fmt.Fprintf(&b, "%s -j DROP\n", rule)
				continue
			}
			l := links.Link(i+1, j+1)
			if l.Loss > 0 {
				fmt.Fprintf(&b, "%s -m statistic --mode random --probability %d.%06d -j DROP\n", rule,
					l.Loss/chaos.PPMAll, l.Loss%chaos.PPMAll)
			}
			if l.DelayMax > 0 && n.delay != nil {
				fmt.Fprintf(&b, "%s -j NFQUEUE --queue-num %d --queue-bypass\n", rule, n.delay.q.number)
			}
		}
	}
	b.WriteString("COMMIT\n")
	return b.String()
}

// ruleChains lists the chains of all runs on this machine.
func ruleChains() (chains []string, err error) {
	out, err := output(exec.Command("iptables", "-w", iptablesWait, "-t", "raw", "-S"))
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(out) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "-N "+chainPrefix); ok {
			chains = append(chains, chainPrefix+name)
		}
	}
	return chains, nil
}

// removeChain deletes the rules of PREROUTING that lead to chain, then the chain.
func removeChain(chain string) error {
	out, err := output(exec.Command("iptables", "-w", iptablesWait, "-t", "raw", "-S", "PREROUTING"))
	if err != nil {
		return err
	}
	var errs []error
	for line := range strings.Lines(out) {
		words := strings.Fields(line)
		if len(words) > 2 && words[0] == "-A" && words[len(words)-1] == chain {
			errs = append(errs, iptables(append([]string{"-D"}, words[1:]...)...))
		}
	}
	return errors.Join(append(errs, iptables("-F", chain), iptables("-X", chain))...)
}

func iptables(args ...string) error {
	return run(exec.Command("iptables", append([]string{"-w", iptablesWait, "-t", "raw"}, args...)...))
}

func run(cmd *exec.Cmd) error {
	_, err := output(cmd)
	return err
}

func output(cmd *exec.Cmd) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w: %s; rules need root and the package iptables", strings.Join(cmd.Args, " "), err,
			strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}
