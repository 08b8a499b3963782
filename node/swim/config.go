package swim

import (
	"errors"
	"fmt"
	"math/bits"
	"time"
)

// Config holds the intervals and bounds of the machine. Start from DefaultConfig.
type Config struct {
	ProbeInterval time.Duration // one member is probed each interval.
	// after so long without an answer, other members are asked to probe; below ProbeInterval.
	ProbeTimeout time.Duration

	IndirectProbes int // how many others are asked.

	// LocalHealthMax bounds the local health score: with score s, probes are s+1 times as far apart and wait s+1 times
	// as long for their answers. Zero: this member never doubts itself. See health.go.
	LocalHealthMax int

	// A suspect is declared dead after SuspicionMult × ⌈log₂(members+1)⌉ × ProbeInterval when SuspicionConfirmations
	// other members suspect it too, and after SuspicionMaxMult times that when no other member suspects it. See
	// suspicion.go.
	SuspicionMult          int
	SuspicionMaxMult       int
	SuspicionConfirmations int

	RetransmitMult int // a rumour is sent RetransmitMult × ⌈log₂(members+1)⌉ times by each member.

	// how often the whole table is exchanged with a random member, give or take a quarter.
	PushPullInterval time.Duration
	DeadDialInterval time.Duration // how often dead members and silent seeds are dialled, two at a time, for ever.

	DatagramBytesMax int // of a datagram's content.
	// NamesFixed: a member keeps the name under which it was met first. Needed where a member proves its name.
	NamesFixed bool

	// of the table, this member included. When the table is full, a member that has left is dropped for a newcomer;
	// when there is none, the newcomer is ignored and counted.
	MembersMax int
}

// DefaultConfig returns what production runs with.
func DefaultConfig() Config {
	return Config{
		ProbeInterval:          time.Second,
		ProbeTimeout:           500 * time.Millisecond,
		IndirectProbes:         3,
		LocalHealthMax:         7,
		SuspicionMult:          2,
		SuspicionMaxMult:       3,
		SuspicionConfirmations: 2,
		RetransmitMult:         3,
		PushPullInterval:       10 * time.Second,
		DeadDialInterval:       5 * time.Second,
		DatagramBytesMax:       1400,
		MembersMax:             1024,
	}
}

// Limits of configuration. They keep all arithmetic on times far away from overflow and let every message be decoded.
const (
	intervalMax      = time.Hour
	multMax          = 100
	confirmationsMax = 7
	// room for the rumour about the recipient itself, and one other.
	datagramBytesMin    = datagramHeaderBytes + 2*entryBytesMax
	datagramBytesMaxMax = 65_507 // of UDP over IPv4.
)

// Check returns what is wrong with c.
func (c Config) Check() error {
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"probe interval", c.ProbeInterval}, {"probe timeout", c.ProbeTimeout},
		{"push-pull interval", c.PushPullInterval}, {"dead-dial interval", c.DeadDialInterval},
	} {
		if d.value < time.Millisecond || d.value > intervalMax {
			return fmt.Errorf("%s %v: want 1ms to %v", d.name, d.value, intervalMax)
		}
	}
	if c.ProbeTimeout >= c.ProbeInterval {
		return fmt.Errorf("probe timeout %v: want less than the probe interval, %v", c.ProbeTimeout, c.ProbeInterval)
	}
	for _, n := range []struct {
		name            string
		value, min, max int
	}{
		{"indirect probes", c.IndirectProbes, 0, multMax},
		{"local health maximum", c.LocalHealthMax, 0, multMax},
		{"suspicion multiplier", c.SuspicionMult, 1, multMax},
		{"suspicion maximum multiplier", c.SuspicionMaxMult, 1, multMax},
		{"suspicion confirmations", c.SuspicionConfirmations, 0, confirmationsMax},
		{"retransmit multiplier", c.RetransmitMult, 1, multMax},
		{"datagram bytes", c.DatagramBytesMax, datagramBytesMin, datagramBytesMaxMax},
		{"members", c.MembersMax, 2, membersHardMax},
	} {
		if n.value < n.min || n.value > n.max {
			return fmt.Errorf("%s %d: want %d to %d", n.name, n.value, n.min, n.max)
		}
	}
	return nil
}

func (o *Options) check() error {
	if err := o.Config.Check(); err != nil {
		return err
	}
	switch s := o.Self; {
	case o.Rand == nil:
		return errors.New("a source of randomness is missing")
	case s.ID == 0:
		return errors.New("own member id is zero")
	case s.Addr == "" || len(s.Addr) > textBytesMax:
		return fmt.Errorf("own address %q: want 1 to %d bytes", s.Addr, textBytesMax)
	case len(s.Name) > textBytesMax:
		return fmt.Errorf("own name %q: want at most %d bytes", s.Name, textBytesMax)
	case s.State != Alive || s.GoneAt != 0:
		return fmt.Errorf("own state is %s: a member starts alive", s.State)
	case s.Incarnation > incarnationMax:
		return fmt.Errorf("own incarnation %d: want at most %d", s.Incarnation, uint64(incarnationMax))
	case len(o.Seeds) > seedsMax:
		return fmt.Errorf("%d seeds: want at most %d; a few are enough, the others are learned from them", len(o.Seeds),
			seedsMax)
	}
	for _, a := range o.Seeds {
		if a == "" || len(a) > textBytesMax {
			return fmt.Errorf("seed address %q: want 1 to %d bytes", a, textBytesMax)
		}
	}
	return nil
}

// log2Ceil is ⌈log₂(n+1)⌉, at least 1: the rounds an epidemic needs among n members, in integers.
func log2Ceil(n int) int { return max(1, bits.Len(uint(n))) }
