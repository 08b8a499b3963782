package explore

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestStepsAreReadBack(t *testing.T) {
	for _, s := range []step{{stepDeliver, 2, 1, 3}, {stepRequest, 1, 0, 0}, {stepSynced, 3, 0, 7}, {stepTick, 1, 0, 1},
		{stepCrash, 2, 0, 0}, {stepPass, 0, 0, 1}} {
		back, err := parseStep(s.String())
		require.NoError(t, err)
		require.Equal(t, s, back)
	}
}

func TestOperationsAreRead(t *testing.T) {
	ops, err := ParseOps([]string{"put@1", "+get@12"})
	require.NoError(t, err)
	require.Equal(t, []Op{{Node: 1, Word: "put"}, {Node: 12, Word: "get", After: true}}, ops)
	for _, text := range []string{"put", "@1", "put@", "put@x", ""} {
		_, err := ParseOps([]string{text})
		require.ErrorContains(t, err, "such as put@1", text)
	}
}

func TestScopesAreChecked(t *testing.T) {
	op, after := Op{Node: 1, Word: "op"}, Op{Node: 1, Word: "op", After: true}
	require.NoError(t, (&Scope{Nodes: 1, Ops: []Op{op, after, op}}).Check(&Space{}))
	for want, s := range map[string]Scope{
		"1 to 5 nodes":    {Nodes: 9, Ops: []Op{op}},
		"1 to 6 oper":     {Nodes: 1},
		"node 2 of 1":     {Nodes: 1, Ops: []Op{{Node: 2, Word: "op"}}},
		"not fly":         {Nodes: 1, Ops: []Op{{Node: 1, Word: "fly"}}},
		"not the first":   {Nodes: 1, Ops: []Op{after}},
		"only one chain":  {Nodes: 1, Ops: []Op{op, after, op, after}},
		"need victims":    {Nodes: 1, Ops: []Op{op}, Crashes: 1},
		"victims crashes": {Nodes: 1, Ops: []Op{op}, Victims: []int{1}},
		"which are nodes": {Nodes: 1, Ops: []Op{op}, Victims: []int{2}, Crashes: 1},
		"below zero":      {Nodes: 1, Ops: []Op{op}, Patience: -1},
	} {
		require.ErrorContains(t, s.Check(&Space{}), want)
	}
}
