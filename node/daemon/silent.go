package daemon

import (
	"context"
	"net"
	"sync"
	"time"
)

// A node needs some seconds to find out that another one has gone. A person who asks right then must not be told that
// all is well: so members that are said to be alive are asked whether they answer at all.

// StateSilent is the state of a member that a node considers alive, and that accepts no connection.
const StateSilent = "silent"

// silentAfter is how long a member may take to accept a connection.
const silentAfter = time.Second

// membersAskedMax bounds the members that one status asks.
const membersAskedMax = 64

// Dial opens a connection to a member's address, and closes it.
func Dial(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, silentAfter)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return conn.Close()
}

// FindSilent gives members that do not answer StateSilent. A node that reports does not need to be asked. StatusAll
// does so by itself.
func (d *Daemon) FindSilent(ctx context.Context, reports []Report) {
	if d.Dial == nil {
		return
	}
	answers := map[string]bool{}
	for i := range reports {
		if reports[i].Answers {
			answers[reports[i].Record.Address] = true
		}
	}
	var mu sync.Mutex
	var asked sync.WaitGroup
	silent := map[string]bool{}
	for i := range reports {
		for _, m := range reports[i].Health.Members {
			if m.State != "alive" || answers[m.Address] {
				continue
			}
			mu.Lock()
			_, known := silent[m.Address]
			known = known || len(silent) >= membersAskedMax
			if !known {
				silent[m.Address] = false
			}
			mu.Unlock()
			if known {
				continue
			}
			asked.Go(func() {
				err := d.Dial(ctx, m.Address)
				mu.Lock()
				defer mu.Unlock()
				silent[m.Address] = err != nil
			})
		}
	}
	asked.Wait()
	for i := range reports {
		reports[i].Health.silence(silent)
	}
}

// silence takes in which addresses do not answer.
func (h *Health) silence(silent map[string]bool) {
	for i := range h.Members {
		m := &h.Members[i]
		if m.State != "alive" || !silent[m.Address] {
			continue
		}
		m.State = StateSilent
		if m.Voter {
			h.VotersAlive--
		}
	}
}
