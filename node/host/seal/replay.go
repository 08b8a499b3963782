package seal

import "time"

// Replays remembers which messages came, by their senders and the stamps that rise with each message of a sender, over
// restarts as well. It belongs to one goroutine.
type Replays struct {
	senders map[uint64]*seen
}

// seen are the messages of one sender.
type seen struct {
	newest uint64
	at     time.Duration // when the newest came, monotonic.
	recent [windowStamps / 64]uint64
}

const (
	// windowStamps is how far a message may be overtaken by others of its sender, messages on other ways included.
	windowStamps = 1 << 14

	// sendersMax bounds the memory; beyond it everything is forgotten.
	sendersMax = 2048

	// silence is after how long a sender may begin anew with lower stamps, as one does whose disk was restored.
	silence = 10 * time.Minute
)

// Fresh says whether this is the first time that a message comes, and that it is not too old to tell. now is monotonic.
func (r *Replays) Fresh(sender, stamp uint64, now time.Duration) bool {
	s := r.senders[sender]
	if s == nil || now-s.at > silence {
		if r.senders == nil || len(r.senders) >= sendersMax {
			r.senders = map[uint64]*seen{}
		}
		s = &seen{newest: stamp, at: now}
		r.senders[sender] = s
		s.mark(stamp)
		return true
	}
	if stamp > s.newest {
		s.advance(stamp)
		s.at = now
		s.mark(stamp)
		return true
	}
	if s.newest-stamp >= windowStamps || s.marked(stamp) {
		return false
	}
	s.mark(stamp)
	return true
}

// advance forgets what leaves the window.
func (s *seen) advance(to uint64) {
	if to-s.newest >= windowStamps {
		s.recent = [windowStamps / 64]uint64{}
		s.newest = to
		return
	}
	for s.newest < to {
		s.newest++
		s.recent[s.newest%windowStamps/64] &^= 1 << (s.newest % 64)
	}
}

func (s *seen) mark(stamp uint64) { s.recent[stamp%windowStamps/64] |= 1 << (stamp % 64) }

func (s *seen) marked(stamp uint64) bool {
	return s.recent[stamp%windowStamps/64]&(1<<(stamp%64)) != 0
}
