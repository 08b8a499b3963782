package linearize

import (
	"fmt"
	"strings"
)

// Lock is a lock with fencing tokens, together with the store that the tokens protect. Tokens are numbers above 0.
// The lock begins free. See Kleppmann, "How to do distributed locking" (2016), for what the tokens are for.
//
//	acquire         ok and APPLIED: the lock was free and is held now, under the token NUMBER, which is higher than
//	                all before. ok, not APPLIED: it was held.
//	release AMOUNT  ok and APPLIED: the lock was held under the token AMOUNT and is free now.
//	                ok, not APPLIED: it was not.
//	use AMOUNT      the protected store was asked with the token AMOUNT. ok and APPLIED: it had let no higher token
//	                in, and a token as high had been granted. ok, not APPLIED: one of the two was not so.
//
// fail: the operation never happened. info: it may happen once, at any moment after its invoke, or never. An acquire of
// unknown outcome that took the lock holds it under an unknown token until a release or a use names it.
//
// A lease that runs out is a release by the service, with the token: ok if the moment is known, info if it may have
// run out.
var Lock Model = lockModel{}

type lockModel struct{}

func (lockModel) Name() string { return "lock" }

func (lockModel) Shapes() []Shape { return lockShapes }

var lockShapes = []Shape{
	{Kind: Acquire, Answers: FieldApplied | FieldNumber},
	{Kind: Release, Asks: FieldAmount, Answers: FieldApplied},
	{Kind: Use, Asks: FieldAmount, Answers: FieldApplied},
}

func (lockModel) New() Object { return lockObject{} }

type lockObject struct{}

// lockState is a lock. If the holder's token is unknown it has the possible tokens.
type lockState struct {
	held    bool
	unknown bool   // held, by an acquire of unknown outcome. Its token is at least highest,
	below   int64  // below this one, if it is not 0,
	not     string // and none of these: see excluded.
	highest int64  // token granted so far.
	let     int64  // the highest token that the store has let in.
}

func (lockObject) Init() any { return lockState{} }

func (lockObject) Step(state any, o *Op) (any, bool) {
	s := state.(lockState)
	info := o.Status == Info
	switch {
	case o.Kind == Acquire && info:
		if !s.held {
			s.held, s.unknown = true, true
			s.highest++
		}
		return s, true
	case o.Kind == Acquire && o.Applied:
		ok := !s.held && o.Number > s.highest
		s.held, s.highest = true, o.Number
		return s, ok
	case o.Kind == Acquire:
		return s, s.held
	case o.Kind == Release:
		return s.release(o.Amount, o.Applied, info)
	}
	return s.use(o.Amount, o.Applied, info)
}

func (s lockState) release(token int64, applied, info bool) (any, bool) {
	mine := s.held && (!s.unknown && token == s.highest || s.unknown && s.canBe(token))
	switch {
	case mine && (applied || info):
		return lockState{highest: token, let: s.let}, true
	case info, !applied && !mine:
		return s, true
	case applied, !s.unknown:
		return s, false
	}
	s.not += excluded(token) // the holder has another token.
	return s.narrow()
}

func (s lockState) use(token int64, applied, info bool) (any, bool) {
	granted := token > 0 && (token <= s.highest || s.unknown && s.canBeAtLeast(token))
	switch {
	case token >= s.let && granted && (applied || info):
		s.let = token
		if s.unknown {
			s.highest = max(s.highest, token)
		}
		return s.narrow()
	case info:
		return s, true
	case applied:
		return s, false
	case token < s.let || token <= 0 || !s.unknown:
		return s, token < s.let || !granted
	case s.below == 0 || token < s.below:
		s.below = token // not yet granted, so the holder's is lower.
	}
	return s.narrow()
}

// excluded spells a token in lockState.not.
func excluded(token int64) string { return fmt.Sprint(",", token, ",") }

// canBe reports whether the unknown token of the holder can be this one.
func (s lockState) canBe(token int64) bool {
	return token >= s.highest && (s.below == 0 || token < s.below) && !strings.Contains(s.not, excluded(token))
}

// canBeAtLeast reports whether the unknown token of the holder can be this one or a higher one.
func (s lockState) canBeAtLeast(token int64) bool {
	s.highest = max(s.highest, token)
	_, ok := s.narrow()
	return ok
}

// narrow raises the lowest token that the holder can have, and reports whether there is one.
func (s lockState) narrow() (any, bool) {
	if !s.unknown {
		return s, true
	}
	for strings.Contains(s.not, excluded(s.highest)) {
		s.highest++
	}
	return s, s.below == 0 || s.highest < s.below
}

func (s lockState) String() string {
	let := ""
	if s.let > 0 {
		let = fmt.Sprintf(", let %d in", s.let)
	}
	switch {
	case s.unknown:
		return fmt.Sprintf("held under an unknown token, at least %d%s", s.highest, let)
	case s.held:
		return fmt.Sprintf("held under %d%s", s.highest, let)
	}
	return fmt.Sprintf("free, highest token %d%s", s.highest, let)
}

func (lockObject) looks(o *Op) bool { return o.Kind == Acquire && !o.Applied }

func (lockObject) Describe(state any) string { return state.(lockState).String() }
