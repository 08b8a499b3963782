package docker

import (
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"kvs/chaos"
)

// delayer delays packets between nodes by the links: the rules send them to a queue of the kernel, which it serves. The
// kernel's own netem is often missing, and this works wherever NFQUEUE does.
//
// Packets of TCP keep their order on each link; datagrams overtake each other, as in the simulator.
type delayer struct {
	q *queue

	mu    sync.Mutex
	ips   map[netip.Addr]int
	links chaos.Links // a copy: the rules and the delays change together.
	rng   *rand.Rand
	last  [chaos.NodesMax + 1][chaos.NodesMax + 1]time.Time // when the last TCP packet of a link leaves.
}

func newDelayer(ips []string, links *chaos.Links) (*delayer, error) {
	d := &delayer{ips: map[netip.Addr]int{}, links: *links, rng: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))}
	for i, ip := range ips {
		a, err := netip.ParseAddr(ip)
		if err != nil {
			return nil, err
		}
		d.ips[a] = i + 1
	}
	var err error
	d.q, err = openQueue(d.hold)
	return d, err
}

// adopt takes new links.
func (d *delayer) adopt(links *chaos.Links) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.links = *links
}

// hold is how long a packet waits.
func (d *delayer) hold(header []byte) time.Duration {
	src, dst, tcp, ok := ends(header)
	if !ok {
		return 0
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	from, to := d.ips[src], d.ips[dst]
	if from == 0 || to == 0 {
		return 0
	}
	l := d.links.Link(from, to)
	delay := chaos.DrawDuration(d.rng, l.Delay, l.DelayMax)
	if tcp {
		now := time.Now()
		if due := now.Add(delay); due.After(d.last[from][to]) {
			d.last[from][to] = due
		}
		delay = d.last[from][to].Sub(now)
	}
	return delay
}

func (d *delayer) close() error {
	if d == nil {
		return nil
	}
	return d.q.close()
}

// delays reports whether any packet between nodes has to wait.
func delays(links *chaos.Links, nodes int) bool {
	for from := 1; from <= nodes; from++ {
		for to := 1; to <= nodes; to++ {
			if from != to && links.Link(from, to).DelayMax > 0 {
				return true
			}
		}
	}
	return false
}
