package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"kvs/node/daemon"
)

func TestProgressElsewhereIsALineForEachTenth(t *testing.T) {
	var err bytes.Buffer
	a := &app{err: &err}
	b := newBoard(a)
	for done := uint64(0); done <= 60; done++ {
		b.show(daemon.Instance{Name: "node4"},
			daemon.Bootstrap{Phase: "pulling", BytesDone: done << 19, BytesTotal: 100 << 19})
	}
	b.done()
	require.Equal(t, `node4: syncing: 0%, 0.0 MiB of 50.0 MiB
node4: syncing: 10%, 5.0 MiB of 50.0 MiB
node4: syncing: 20%, 10.0 MiB of 50.0 MiB
node4: syncing: 30%, 15.0 MiB of 50.0 MiB
node4: syncing: 40%, 20.0 MiB of 50.0 MiB
node4: syncing: 50%, 25.0 MiB of 50.0 MiB
node4: syncing: 60%, 30.0 MiB of 50.0 MiB
`, err.String())
}

func TestProgressOnATerminalIsABar(t *testing.T) {
	var err bytes.Buffer
	a := &app{err: &err}
	b := &board{app: a, terminal: true}
	eta := int64(75)
	half := daemon.Bootstrap{Phase: "pulling", BytesDone: 50 << 20, BytesTotal: 100 << 20, Rate: 2 << 20,
		ETASeconds: &eta}
	b.show(daemon.Instance{Name: "a"}, half)
	b.show(daemon.Instance{Name: "a"}, half)
	b.show(daemon.Instance{Name: "b"}, daemon.Bootstrap{Phase: "waiting"})
	a.say("something else")
	b.done()
	const first = "\r\x1b[Ka [##########----------] 50%, 50.0 MiB of 100.0 MiB, 2.0 MiB/s, 1m15s left"
	require.Equal(t, first+first+"   b [--------------------] waiting\r\x1b[Ksomething else\n", err.String())
}
