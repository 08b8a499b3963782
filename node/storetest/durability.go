package storetest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node"
)

func testReopen(t *testing.T, disk Disk, s *subject) {
	for round := range 4 {
		for i := range 20 {
			s.apply(put(fmt.Sprintf("%02d", (i*7+round)%30), fmt.Sprintf("round %d, %d", round, i)),
				del(fmt.Sprintf("%02d", i)))
		}
		before := s.content()
		require.NotEmpty(t, before)
		s.reopen(disk)
		require.Equal(t, before, s.content())
		s.reopen(disk) // also when nothing was written in between.
		require.Equal(t, before, s.content())
	}
}

func testCrash(t *testing.T, disk Disk, s *subject) {
	crasher, ok := disk.(Crasher)
	if !ok {
		t.Skip("this disk cannot crash")
	}
	for round := range 3 {
		for i := range 10 {
			s.apply(put(fmt.Sprintf("%d/%d", round, i), "small"), put("last", fmt.Sprint(round, i)))
		}
		s.apply(put("large", large(3<<20, byte(round))), del(fmt.Sprintf("%d/0", round)))
		before := s.content()
		crasher.Crash(t)
		s.store = disk.Open(t)
		require.Equal(t, before, s.content(), "what Apply returned nil for survives a crash")
	}
}

func testFailedApply(t *testing.T, disk Disk, s *subject) {
	failer, ok := disk.(Failer)
	if !ok {
		t.Skip("this disk cannot fail")
	}
	s.apply(put("a", "1"), put("b", "1"))
	before := s.content()
	failer.FailNext(t)
	first := s.store.Apply([]node.Change{put("a", "2"), del("b"), put("c", "2")})
	require.Error(t, first)
	again := s.store.Apply([]node.Change{put("d", "3")})
	require.Error(t, again, "after a failed Apply the content of the disk is unknown: further ones must be refused")
	require.True(t, errors.Is(again, first) || errors.Is(again, errors.Unwrap(first)),
		"the refusal names its cause: %v", again)
	require.Equal(t, before, s.content(), "readers see what was durable before the failure")
	s.reopen(disk)
	after := s.content()
	if len(after) != len(before) || after[0] != before[0] {
		require.Equal(t, []string{`"a"="2"`, `"c"="2"`}, after, "the failed batch is there as a whole or not at all")
	}
	s.apply(put("d", "4"))
	s.wantValue("d", "4")
}
