package swim

import (
	"slices"
	"time"
)

// A member that starts again asks the others which run of it they remember, because its data may be an older copy that
// does not know of that run. The owner decides what the member does meanwhile, and for how long; it calls Announce when
// the others may hear of this run. The member asks until it has been answered, also after that.
//
// A run that is announced before the answer has salt zero, and so is below every other run of the same number. The
// others believe the higher one, so no member that remembers a run which this one does not know forgets that run
// because of what it hears of this one. It can still say so when it comes back.
type vouching struct {
	done  bool // another member has confirmed that this one is a member.
	heard bool // a member has answered, whatever it remembers.
	// members that remember no other run of this one, sorted.
	forgetful []ID
	// the number of another run of this member, this one's or higher, which others remember; zero: none.
	outdated uint64

	askAt time.Duration // next round of questions.
	drawn uint64        // the incarnation with which this run began: Announce may take a lower one.
	// announced: the others may believe that this member is in a new run. Until then questions about it are withheld.
	announced bool
	withheld  []withheld
}

// withheld is a question about this member that it does not answer yet: see Announce.
type withheld struct {
	to    string
	nonce uint64
}

const (
	withheldMax   = 16                     // the others ask again.
	vouchersMax   = 8                      // members asked in a round.
	vouchInterval = 500 * time.Millisecond // from round to round, ...
	vouchSeldom   = 5 * time.Second        // ... and of a run that is announced: members that return are asked at once.
)

// asks reports whether this member still has to hear which run of it the others remember.
func (v *vouching) asks() bool { return !v.done && v.outdated == 0 }

// take records what a member says of this one, which is in the incarnation own. A member that has just started itself
// knows this one from its disk, and remembers no run of it; and one that knows this very run has been told of it. That
// is enough when most of the others say so. Of a member that is not in the table, known is false.
func (v *vouching) take(teller ID, known bool, r *rumour, own uint64, others int) {
	switch told := RunOf(r.incarnation); {
	case !v.asks() || r.state.Gone() || absurd(r, own):
		return
	case r.incarnation == 0, SameLife(r.incarnation, own), SameLife(r.incarnation, v.drawn):
		if !known {
			return
		}
		if i, has := slices.BinarySearch(v.forgetful, teller); !has {
			v.forgetful = slices.Insert(v.forgetful, i, teller)
		}
		v.done = len(v.forgetful) > others/2
	case told >= RunOf(own):
		v.outdated = told
	default:
		v.done = true
	}
	v.heard = true
}

func (v *vouching) withhold(asker *rumour, nonce uint64) {
	for i := range v.withheld {
		if w := &v.withheld[i]; w.to == string(asker.addr) {
			w.nonce = nonce
			return
		}
	}
	if len(v.withheld) < withheldMax {
		v.withheld = append(v.withheld, withheld{string(asker.addr), nonce})
	}
}
