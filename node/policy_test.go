package node

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kvs/node/contract"
	"kvs/node/voting"
)

// policyOp lets the cluster agree on strong prefixes and returns the answer.
func (b *bench) policyOp(i int, epoch uint64, prefixes ...string) contract.Response {
	b.t.Helper()
	b.nextReq++
	id := b.nextReq
	b.step(i, &contract.Request{ID: id, Op: contract.OpPolicy, Level: contract.Linearizable, Path: "policy",
		Strong: prefixes, Epoch: epoch, Deadline: b.now + 10*time.Second})
	b.run(20*time.Second, func() bool { _, ok := b.machine[i].replies[id]; return ok })
	return b.machine[i].replies[id]
}

func (b *bench) doAt(i int, op contract.OpKind, level contract.Level, path, value string) contract.Response {
	b.t.Helper()
	b.nextReq++
	id := b.nextReq
	b.step(i, &contract.Request{ID: id, Op: op, Level: level, Path: path, Value: []byte(value),
		Deadline: b.now + 10*time.Second})
	b.run(20*time.Second, func() bool { _, ok := b.machine[i].replies[id]; return ok })
	return b.machine[i].replies[id]
}

func TestTranscriptPolicy(t *testing.T) {
	b := founded(t, 3)
	b.run(time.Second, nil)
	b.say = &strings.Builder{}
	b.note("-- the voters decide on a strong prefix, catch up, and say when they go by it")
	require.Equal(t, contract.CodeOK, b.policyOp(0, 1, "orders/").Code)
	for _, m := range b.machine {
		require.Equal(t, []string{"orders/"}, m.node.InForce.Strong)
		require.EqualValues(t, 2, m.node.Epoch())
	}
	b.note("-- an eventual write below it is run linearizably")
	r := b.doAt(1, contract.OpPut, contract.Eventual, "orders/1", "one")
	require.Equal(t, contract.CodeCreated, r.Code)
	require.Equal(t, contract.Linearizable, r.Level)
	transcript(t, b, "policy.txt")
	require.Equal(t, contract.Linearizable, b.doAt(2, contract.OpDelete, contract.Quorum, "orders/1", "").Level)
	require.Equal(t, contract.Eventual, b.doAt(1, contract.OpPut, contract.Eventual, "ordersnot", "one").Level)
	require.Equal(t, contract.Eventual, b.doAt(1, contract.OpPut, contract.Eventual, "orders", "one").Level,
		"the directory's own path is not below it")
	require.Equal(t, contract.Eventual, b.doAt(1, contract.OpGet, contract.Eventual, "orders/1", "").Level,
		"reads ask for their own level")
}

// A member that is down is named in the answer, and goes by the policy when it is back.
func TestPolicyWithoutAMember(t *testing.T) {
	b := founded(t, 3)
	b.run(time.Second, nil)
	down := b.machine[2].node.Self
	b.crash(2)
	b.run(time.Minute, func() bool { return b.machine[0].node.Peer(down).Dead() })
	r := b.policyOp(0, 0, "a/", "/", "a/")
	require.Equal(t, contract.CodeOK, r.Code)
	require.Contains(t, r.Detail, down.String())
	require.Equal(t, []string{"/", "a/"}, b.machine[1].node.InForce.Strong)
	b.start(2)
	b.run(time.Minute, func() bool { return b.machine[2].node.Epoch() == 2 })
	require.Equal(t, contract.Linearizable, b.doAt(2, contract.OpPut, contract.Eventual, "anything", "x").Level)

	require.Contains(t, b.policyOp(0, 0, "/", "a/").Detail, "nothing to do")
	r = b.policyOp(0, 1)
	require.Equal(t, contract.CodePrecondition, r.Code)
	require.Contains(t, r.Detail, "epoch 2 by now, not 1")
	require.Equal(t, contract.CodePrecondition, b.policyOp(0, 0, "no-slash").Code)

	// Changes of voters keep it.
	require.Equal(t, contract.CodeOK, b.voterOp(0, contract.OpDemote, down).Code)
	require.Equal(t, []string{"/", "a/"}, b.machine[0].node.InForce.Strong)
}

func TestPolicyBeforeTheFounding(t *testing.T) {
	b := newBench(t, 1)
	n := b.machine[0].node
	n.InForce = nil
	n.opts.StrongPrefixes, n.opts.ExpectedMembers = []string{"a/"}, 3
	require.Equal(t, contract.CodeNoQuorum, b.doAt(0, contract.OpPut, contract.Eventual, "a/b", "x").Code,
		"rather than at a level that the cluster is going to rule out")
	require.Equal(t, contract.CodeCreated, b.doAt(0, contract.OpPut, contract.Eventual, "b", "x").Code)
	require.Equal(t, contract.CodeNoQuorum, b.policyOp(0, 0, "b/").Code)
}

func TestCheckStrongPrefixes(t *testing.T) {
	got, err := voting.CheckStrongPrefixes([]string{"b/c/", "/", "a/", "a/"})
	require.NoError(t, err)
	require.Equal(t, []string{"/", "a/", "b/c/"}, got)
	many := make([]string, voting.StrongPrefixesMax+1)
	for i := range many {
		many[i] = strings.Repeat("x", i+1) + "/"
	}
	for want, bad := range map[string][]string{
		"end it with a slash": {"a"}, `"": end`: {""}, `"a//"`: {"a//"}, "are the most": many} {
		_, err := voting.CheckStrongPrefixes(bad)
		require.ErrorContains(t, err, want)
	}
}
