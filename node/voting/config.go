package voting

import (
	"slices"

	"kvs/node/slot"
)

// Config is a configuration: the voters of one epoch. Two configurations of one founding never have the same epoch. It
// is a value: it never changes.
type Config struct {
	Epoch    uint64      // 1 at the founding, one more with each change.
	Founding slot.UUID   // identifies the cluster's founding: configurations of different foundings never mix.
	Former   []slot.UUID // foundings that this one replaced, the first one first: see node/recovery.go.
	Previous []slot.ID   // the voters of the epoch before, sorted; empty in the first.
	Voters   []slot.ID   // sorted.
	Held     []slot.ID   // members that an operator demoted: they do not promote themselves; sorted.
	Strong   []string    // prefixes of paths whose writes are linearizable, sorted: see strong.go.
}

// VotersMax bounds a configuration.
const VotersMax = 31

// Majority is how many voters a majority needs.
func (c *Config) Majority() int { return len(c.Voters)/2 + 1 }

// Votes reports whether a member is a voter. c may be nil.
func (c *Config) Votes(id slot.ID) bool {
	if c == nil {
		return false
	}
	_, found := slices.BinarySearch(c.Voters, id)
	return found
}

// DrawShift is how many low bits of an epoch count changes of voters; the bits above are a recovery's random draw and
// its count.
const DrawShift = 20

// Recovered reports whether c is the configuration that a recovery wrote: later changes of voters count up from it.
func (c *Config) Recovered() bool {
	return len(c.Former) > 0 && c.Epoch&(1<<DrawShift-1) == 0
}

// Sources is how many of the former voters a voter of this configuration has to catch up with.
func (c *Config) Sources() int {
	if c.Recovered() {
		return len(c.Previous)
	}
	return len(c.Previous)/2 + 1
}

// Succeeds reports whether c is from a recovery of other's founding.
func (c *Config) Succeeds(other *Config) bool { return slices.Contains(c.Former, other.Founding) }

// Related reports whether two configurations are of one cluster: of the same founding, or one is from a recovery of the
// other's. A member without a configuration is related to all.
func (c *Config) Related(other *Config) bool {
	return c == nil || other == nil || c.Founding == other.Founding || c.Succeeds(other) || other.Succeeds(c)
}

// Tag is the hash of a founding for envelopes; zero for none. c may be nil.
func (c *Config) Tag() uint32 {
	if c == nil {
		return 0
	}
	h := uint32(2166136261)
	for _, b := range c.Founding {
		h = (h ^ uint32(b)) * 16777619
	}
	return max(h, 1)
}
