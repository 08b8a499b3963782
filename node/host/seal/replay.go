package seal

import "time"

// Replays remembers the messages that came, by their senders and stamps. A sender's stamps rise with each message, over
// restarts as well. It belongs to one goroutine.
type Replays struct {
	senders map[uint64]*seen
}

// seen is the memory of one sender's messages.
type seen struct {
	newest uint64
	at     time.Duration // when the newest came, monotonic.
	recent [windowStamps / 64]uint64
}

const (
	// windowStamps is how many later messages of its sender may overtake a message, messages over streams included.
	windowStamps = 1 << 14

	// sendersMax bounds the memory; beyond it all senders are dropped.
	sendersMax = 2048

	// silence is the time after which a sender may begin again with lower stamps, as it does after its disk was
	// restored.
	silence = 10 * time.Minute
)

// Fresh reports whether a message comes for the first time, and is not too old to tell. now is monotonic.
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

// advance moves the window to a stamp.
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
