package swim

import "time"

// Local health is Lifeguard's first idea (Dadgar, Phillips, Currey 2018, section IV-A, "LHA-Probe"): a member that
// misses messages, because its process is slow or its own link is bad, sees silence everywhere. It should suspect
// itself before it accuses others. Its score begins at zero and stays between zero and Config.LocalHealthMax:
//
//	a probe that was answered                               -1
//	a probe that failed, with no helper asked               +1
//	a helper that sent neither an ack nor a nack            +1, each
//	having to refute a suspicion of oneself                 +1
//	a tick that came late (see forgive)                     +1
//
// A helper sends a nack when the target has not answered it within four fifths of the probe timeout. A nack shows that
// the prober's own link works, so the failure is the target's. The distance and the timeout of probes are score+1 times
// those configured. The paper's other two ideas are the suspicion that shrinks with confirmations (section IV-B,
// suspicion.go) and the buddy system, by which a suspect receives the suspicion before other rumours (section IV-C,
// gossip.go).
//
// In a cluster of two a failed probe does not change the score: it does not show which member failed. There, only late
// ticks and refutations count against this member, and while the score is above zero suspicions last longer: see
// suspicionTime.

// LocalHealth is the score: zero is well.
func (m *Machine) LocalHealth() int { return m.health }

func (m *Machine) worsen(by int) { m.health = min(m.health+by, m.cfg.LocalHealthMax) }

func (m *Machine) improve() { m.health = max(m.health-1, 0) }

// patient multiplies d by the local health score plus one.
func (m *Machine) patient(d time.Duration) time.Duration { return d * time.Duration(1+m.health) }

// nackAfter is how long a helper waits for the target's ack.
func (m *Machine) nackAfter() time.Duration { return m.cfg.ProbeTimeout / 5 * 4 }

// judgeSelf changes the local health score after a failed probe.
func (m *Machine) judgeSelf(pr *probe) {
	switch {
	case m.size() <= 2:
	case pr.asked == 0:
		m.worsen(1)
	case pr.nacks < pr.asked:
		m.counters.NacksMissed += uint64(pr.asked - pr.nacks)
		m.worsen(pr.asked - pr.nacks)
	}
}
