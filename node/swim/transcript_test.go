package swim

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the files in testdata anew; then read the difference")

// golden compares got with a file in testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got, "if this is meant, run: go test ./node/swim -update")
}

// Conversations between machines, to be read. A message is "who -> whom: kind #question [rumours]"; a rumour is a
// member, its state, and its incarnation as run.refutes.
func TestTranscripts(t *testing.T) {
	for _, c := range []struct {
		name, about string
		play        func(t *testing.T, w *mesh)
	}{
		{"join", "b and then c join through a. Each pushes its table and pulls a's; b hears of c from a's gossip.",
			func(t *testing.T, w *mesh) {
				w.add("a:1")
				w.add("a:1")
				w.pass(300 * time.Millisecond)
				w.add("a:1")
				w.until(5*time.Second, func() bool { return len(w.nodes) == 3 && w.agree(Alive) })
			}},
		{"probe-timeout-indirect", "All datagrams between a and c are lost. a's probe of c times out; b is asked to " +
			"probe c, and passes c's answer on: nobody is suspected.", func(t *testing.T, w *mesh) {
			quietCluster(t, w, 3)
			w.cut = func(from, to string, stream bool) bool {
				return !stream && from+to != "ab" && from+to != "ba" && from != "b" && to != "b"
			}
			w.ignore = func(p *packet) bool { return p.kind == kindRequest || p.kind == kindResponse }
			w.until(5*time.Second, func() bool {
				return len(w.node("b").m.relays) > 0 && w.node("b").m.relays[0].seq == 0
			})
			w.pass(time.Millisecond * 5)
			require.Empty(t, w.node("a").events)
		}},
		{"suspect-refute", "c is cut off until somebody suspects it. The next ping it gets tells it so, and it " +
			"answers with a higher incarnation.", func(t *testing.T, w *mesh) {
			quietCluster(t, w, 3)
			w.cut = func(from, to string, _ bool) bool { return from == "c" || to == "c" }
			w.until(10*time.Second, func() bool {
				return w.sees("a", "c") == "suspect" || w.sees("b", "c") == "suspect"
			})
			w.note("the network heals")
			w.cut = nil
			w.until(10*time.Second, func() bool { return w.agree(Alive) })
		}},
		{"dead-then-return", "b stops. a suspects it, then declares it dead; since there are only two, nobody could " +
			"confirm. a dials b on and on; when b's network is back, b hears that it is believed dead and refutes.",
			func(t *testing.T, w *mesh) {
				quietCluster(t, w, 2)
				w.cut = func(_, _ string, _ bool) bool { return true }
				w.stall = func(name string) bool { return name == "b" }
				w.until(time.Minute, func() bool { return w.sees("a", "b") == "dead" })
				w.pass(12 * time.Second)
				w.note("b is back")
				w.cut, w.stall = nil, nil
				w.until(10*time.Second, func() bool { return w.agree(Alive) })
			}},
		{"leave", "c leaves. It tells the others by pings, whose acks say that they know; they never probe or " +
			"dial it again.", func(t *testing.T, w *mesh) {
			quietCluster(t, w, 3)
			c := w.node("c")
			w.note("c is told to leave")
			c.m.Leave(w.now, wallMs, &c.out)
			w.collect(c)
			w.until(5*time.Second, c.m.Left)
			w.note("c has left")
			c.up = false
			w.pass(3 * time.Second)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newMesh(t, 11)
			w.script = &strings.Builder{}
			w.script.WriteString("# " + c.about + "\n\n")
			c.play(t, w)
			golden(t, c.name+".txt", w.script.String())
		})
	}
}

// quietCluster makes a cluster that has nothing more to gossip, and only then begins the transcript.
func quietCluster(t *testing.T, w *mesh, n int) {
	script := w.script
	w.script = nil
	for range n {
		w.add("a:1")
	}
	w.until(time.Minute, func() bool {
		for _, n := range w.nodes {
			if len(n.m.rumours) > 0 {
				return false
			}
		}
		return w.agree(Alive) && len(w.queue) == 0
	})
	w.forget()
	w.script, w.now = script, w.now.Round(0)
}
