package step

// Voters is what the machines of operations ask of the configuration. Questions that Shared alone can answer are its
// methods: VotersAlive and HasVoice.
type Voters interface {
	// NoQuorum explains for people why no majority of the voters can be reached; empty: one may be reachable.
	NoQuorum() string
	// TakesPart reports whether this member votes in an operation of that epoch, EpochAgrees whether it is in that
	// epoch. If the epochs of the two members differ, both methods make the one that is behind learn the configuration.
	TakesPart(from *Peer, epoch uint64) bool
	EpochAgrees(from *Peer, epoch uint64) bool
}

// VotersAlive is how many voters in force are not dead, this member included; zero: there is no configuration.
func (s *Shared) VotersAlive() int {
	if s.InForce == nil {
		return 0
	}
	count := 0
	for _, id := range s.InForce.Voters {
		if p := s.Peer(id); id == s.Self || p != nil && !p.Dead() {
			count++
		}
	}
	return count
}

// OnlyVoter reports whether this member is the only voter, with a voice: what it decides in one step is decided.
func (s *Shared) OnlyVoter() bool { return len(s.InForce.Voters) == 1 && s.HasVoice() }

// Mute reports whether this member gives no other member its word for what it holds, because it may have forgotten
// what it had promised: no member has vouched for it. When it serves for want of an answer it is mute until the first.
// That costs nothing, as a majority needs another voter, which then can be asked. Only one voter needs no other.
func (s *Shared) Mute() bool {
	return s.Unvouched || s.Unheard && (s.InForce == nil || len(s.InForce.Voters) > 1)
}

// HasVoice reports whether this member takes part as a voter of the configuration in force: after a start, once another
// member has vouched for it, or Mute says that it need not wait; after a recovery, once it holds what all chosen voters
// hold.
func (s *Shared) HasVoice() bool {
	return s.InForce.Votes(s.Self) && !s.Mute() && (s.CaughtUp >= s.InForce.Epoch || !s.InForce.Recovered())
}
