package swim

const (
	// lifeShift leaves room for the times a member refutes rumours during a run, runShift for the salt of the run above
	// that.
	lifeShift = 20
	runShift  = 40
	// runsAheadMax is how many runs a member can be ahead of its line in the table. A larger number is damage.
	runsAheadMax = 1 << 20
	// refutesMax bounds the refutations counted in the incarnation of an accusation. A larger number is damage: else
	// one forged accusation could use up all the incarnations that the member has for refuting.
	refutesMax = 1 << (lifeShift - 1)
)

// FirstIncarnation is what a member begins its n-th run with: above all incarnations of the former ones. The salt, of
// which the lower 20 bits count, is drawn at each start: it distinguishes two runs of the same number. There are two
// when a member was restored from a copy of its data folder that was made while it was stopped. Salt zero is for runs
// that are announced before another member has vouched for them, see vouching.
func FirstIncarnation(run uint64, salt uint32) uint64 {
	return run<<runShift | max(uint64(salt)<<lifeShift&(1<<runShift-1), 1<<lifeShift)
}

// RunOf is the number of the run of a member in one of its incarnations.
func RunOf(incarnation uint64) uint64 { return incarnation >> runShift }

// lifeOf names a run: its number and its salt.
func lifeOf(incarnation uint64) uint64 { return incarnation >> lifeShift }

// SameLife reports whether two incarnations are of the same run of a member.
func SameLife(a, b uint64) bool { return lifeOf(a) == lifeOf(b) }

// absurd reports whether no member can have claimed r about a member whose known incarnation is held.
func absurd(r *rumour, held uint64) bool {
	accused := r.state == Suspect || r.state == Dead
	return RunOf(r.incarnation) > RunOf(held)+runsAheadMax ||
		accused && r.incarnation > held && r.incarnation&(1<<lifeShift-1) >= refutesMax
}
