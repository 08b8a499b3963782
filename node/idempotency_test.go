package node

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/contract"
	"kvs/node/slot"
)

// A write that is tried again under its idempotency key, through another member, is not applied again, whatever came in
// between; the answer is that of the first.
func TestIdempotencyKey(t *testing.T) {
	b := founded(t, 3)
	keyed := b.keyed
	absent := contract.Condition{Kind: contract.IfNoneMatch, Any: true}
	first := keyed(0, contract.OpPut, "one", absent, 7)
	require.Equal(t, contract.CodeCreated, first.Code)
	again := keyed(1, contract.OpPut, "one", absent, 7)
	require.Equal(t, contract.CodeOK, again.Code, "its condition was true when it was applied")
	require.Equal(t, first.Record.Version(), again.Record.Version())
	require.Equal(t, contract.CodePrecondition, keyed(2, contract.OpPut, "other", absent, 8).Code)

	require.Equal(t, contract.CodeOK, b.doLinear(2, contract.OpPut, "a", "two", always).Code)
	require.Equal(t, contract.CodeOK, b.doLinear(1, contract.OpDelete, "a", "", always).Code)
	again = keyed(2, contract.OpPut, "one", absent, 7)
	require.Equal(t, first.Record.Version(), again.Record.Version(), "two writes later")
	require.Equal(t, contract.CodeNotFound, b.doLinear(0, contract.OpGet, "a", "", always).Code)

	require.Equal(t, contract.CodePrecondition,
		keyed(0, contract.OpPut, "three", contract.Condition{Kind: contract.IfMatch, Any: true}, 9).Code)
	require.Equal(t, contract.CodeCreated, keyed(1, contract.OpPut, "four", absent, 10).Code)
	b.run(time.Minute, b.same)
}

// A key that comes again with another request is refused, and nothing happens: not the other value, not the delete.
func TestIdempotencyKeyReused(t *testing.T) {
	b := founded(t, 3)
	do := func(i int, r contract.Request) contract.Response {
		b.nextReq++
		r.ID, r.Level, r.Path, r.Deadline = b.nextReq, contract.Linearizable, "a", b.now+5*time.Second
		r.SetKey([]byte("mine"))
		b.step(i, &r)
		id := b.nextReq
		b.run(10*time.Second, func() bool { _, ok := b.machine[i].replies[id]; return ok })
		return b.machine[i].replies[id]
	}
	absent := contract.Condition{Kind: contract.IfNoneMatch, Any: true}
	first := do(0, contract.Request{Op: contract.OpPut, Value: []byte("one"), Condition: absent})
	require.Equal(t, contract.CodeCreated, first.Code)
	again := do(1, contract.Request{Op: contract.OpPut, Value: []byte("one"), Condition: absent})
	require.Equal(t, first.Record.Version(), again.Record.Version())
	for what, r := range map[string]contract.Request{
		"value":        {Op: contract.OpPut, Value: []byte("TWO"), Condition: absent},
		"content type": {Op: contract.OpPut, Value: []byte("one"), ContentType: "text/plain", Condition: absent},
		"TTL":          {Op: contract.OpPut, Value: []byte("one"), TTL: time.Hour, Condition: absent},
		"condition":    {Op: contract.OpPut, Value: []byte("one")},
		"version": {Op: contract.OpPut, Value: []byte("one"),
			Condition: contract.Condition{Kind: contract.IfMatch, Versions: []slot.Version{first.Record.Version()}}},
		"method": {Op: contract.OpDelete},
	} {
		again = do(2, r)
		require.Equal(t, contract.CodeKeyReused, again.Code, what)
		require.Equal(t, contract.OutcomeNotApplied, again.Outcome, what)
	}
	got := b.doLinear(1, contract.OpGet, "a", "", always).Record
	require.Equal(t, "one", string(got.Value))
	require.Equal(t, first.Record.Version(), got.Version())
	b.run(time.Minute, b.same)
}

// A retry of what was refused is refused again, and shows what is there now.
func TestRetryOfARefusedWriteShowsWhatIsThere(t *testing.T) {
	b := founded(t, 3)
	present := contract.Condition{Kind: contract.IfMatch, Any: true}
	refused := b.keyed(0, contract.OpPut, "mine", present, 1)
	require.Equal(t, contract.CodePrecondition, refused.Code)
	require.False(t, refused.Since)
	there := b.doLinear(1, contract.OpPut, "a", "there", always)
	again := b.keyed(2, contract.OpPut, "mine", present, 1)
	require.Equal(t, contract.CodePrecondition, again.Code, "not applied, although the condition is true by now")
	require.True(t, again.Since)
	require.Equal(t, there.Record.Version(), again.Record.Version())
}

// keyed does a write on path a under an idempotency key.
func (b *bench) keyed(i int, op contract.OpKind, value string, c contract.Condition, key byte) contract.Response {
	b.nextReq++
	r := &contract.Request{ID: b.nextReq, Op: op, Level: contract.Linearizable, Path: "a", Condition: c,
		Key: slot.UUID{key}, Deadline: b.now + 5*time.Second}
	if op == contract.OpPut {
		r.Value = []byte(value)
	}
	b.step(i, r)
	id := b.nextReq
	b.run(10*time.Second, func() bool { _, ok := b.machine[i].replies[id]; return ok })
	return b.machine[i].replies[id]
}

// A retry that comes when its key may have been forgotten is not told that its condition is false, as if it had not
// been the reason itself: linearizable-swarm, seed 843. One whose version is younger than all that was forgotten is
// told.
func TestForgottenIdempotencyKeyIsUnknown(t *testing.T) {
	b := founded(t, 3)
	first := b.doLinear(0, contract.OpPut, "a", "zero", always)
	wants := contract.Condition{Kind: contract.IfMatch, Versions: []slot.Version{first.Record.Version()}}
	applied := b.keyed(0, contract.OpPut, "mine", wants, 1)
	require.Equal(t, contract.CodeOK, applied.Code)
	for k := range slot.AppliedMax - 1 {
		require.Equal(t, contract.CodeOK, b.keyed(k%3, contract.OpPut, "others", always, byte(2+k)).Code)
	}
	again := b.keyed(1, contract.OpPut, "mine", wants, 1)
	require.Equal(t, applied.Record.Version(), again.Record.Version(), "63 later it is known")
	last := b.keyed(2, contract.OpPut, "one more", always, 200)
	late := b.keyed(1, contract.OpPut, "mine", wants, 1)
	require.Equal(t, contract.OutcomeUnknown, late.Outcome)
	require.Contains(t, late.Detail, "64 writes under idempotency keys")
	require.Equal(t, contract.OutcomeUnknown, b.keyed(1, contract.OpPut, "mine", wants, 201).Outcome,
		"an old version under a new key: it might be a retry")

	require.Equal(t, contract.CodeOK, b.doLinear(0, contract.OpPut, "a", "without a key", always).Code)
	young := contract.Condition{Kind: contract.IfMatch, Versions: []slot.Version{last.Record.Version()}}
	require.Equal(t, contract.CodePrecondition, b.keyed(0, contract.OpPut, "mine", young, 202).Code)
	require.Equal(t, contract.CodePrecondition, b.doLinear(0, contract.OpPut, "a", "mine", wants).Code,
		"without a key there is no retry")
	b.run(time.Minute, b.same)
}

// The end of a tombstone takes the list of keys away. A retry that wants a version from before it is not told that its
// condition is false, as if it had not been applied: not while nothing is there, nor when others have written the path
// anew since.
func TestKeyForgottenWithTheTombstone(t *testing.T) {
	b := newBenchWith(t, 3, grace(400*time.Millisecond))
	b.found(3)
	first := b.doLinear(0, contract.OpPut, "a", "zero", always)
	wants := contract.Condition{Kind: contract.IfMatch, Versions: []slot.Version{first.Record.Version()}}
	require.Equal(t, contract.CodeOK, b.keyed(0, contract.OpPut, "mine", wants, 1).Code)
	require.Equal(t, contract.CodeOK, b.doLinear(0, contract.OpDelete, "a", "", always).Code)
	require.Equal(t, contract.CodeOK, b.keyed(1, contract.OpPut, "mine", wants, 1).Code, "while the tombstone is there")
	b.run(20*time.Second, b.collected)

	late := b.keyed(1, contract.OpPut, "mine", wants, 1)
	require.Equal(t, contract.OutcomeUnknown, late.Outcome, "%v", late)
	require.Contains(t, late.Detail, "longer than tombstone_grace ago")
	require.Equal(t, contract.CodePrecondition, b.doLinear(1, contract.OpPut, "a", "mine", wants).Code,
		"without a key there is no retry")

	anew := b.doLinear(2, contract.OpPut, "a", "anew", always)
	require.Equal(t, contract.CodeCreated, anew.Code)
	require.Equal(t, contract.OutcomeUnknown, b.keyed(1, contract.OpPut, "mine", wants, 1).Outcome)
	require.Equal(t, contract.CodeOK, b.doLinear(0, contract.OpPut, "a", "newer", always).Code)
	wants.Versions[0] = anew.Record.Version()
	require.Equal(t, contract.CodePrecondition, b.keyed(1, contract.OpPut, "mine", wants, 2).Code,
		"since that version nothing was forgotten")
	require.Equal(t, contract.CodePrecondition,
		b.keyed(1, contract.OpPut, "mine", contract.Condition{Kind: contract.IfNoneMatch, Any: true}, 3).Code)
	b.run(time.Minute, b.same)
}
