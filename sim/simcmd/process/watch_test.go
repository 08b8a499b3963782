package process

import (
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A run on a busy machine is overdue when it has had its share of the CPU, and not before; one that waits for ever is.
func TestLeft(t *testing.T) {
	for _, c := range []struct {
		took, used time.Duration
		known      bool
		left       time.Duration
	}{
		{time.Minute, 0, false, 0},
		{10 * time.Second, 0, false, 50 * time.Second},
		{time.Minute, 10 * time.Second, true, 50 * time.Second},
		{5 * time.Minute, 50 * time.Second, true, 10 * time.Second},
		{time.Minute, time.Minute, true, 0},
		{patience*time.Minute - time.Second, 0, true, time.Second},
		{patience * time.Minute, 0, true, 0},
	} {
		require.Equal(t, c.left, left(time.Minute, c.took, c.used, c.known), "%+v", c)
	}
}

func TestParseStat(t *testing.T) {
	used, known := parseStat("42 (a) b (c)) S 1 42 42 0 -1 4194560 100 0 0 0 250 50 7 8 20 0 1 0 5 6 7")
	require.True(t, known)
	require.Equal(t, 3*time.Second, used)
	for _, text := range []string{"", "42 (a) S 1", "42 (a) S 1 42 42 0 -1 4194560 100 0 0 0 x 50 7"} {
		_, known := parseStat(text)
		require.False(t, known, text)
	}
	if _, err := os.Stat("/proc/self/stat"); err == nil {
		_, known := usedBy(os.Getpid())
		require.True(t, known)
	}
}

// A process that uses all the CPU time it can get, or none, and never answers, is ended.
func TestOverdueIsEnded(t *testing.T) {
	for name, script := range map[string]string{"busy": "while :; do :; done", "idle": "read a; read b"} {
		t.Run(name, func(t *testing.T) {
			if _, err := exec.LookPath("sh"); err != nil {
				t.Skip("needs a shell")
			}
			p, err := Start("sh", []string{"-c", script}, nil, 50*time.Millisecond)
			require.NoError(t, err)
			_, err = p.Ask("x")
			require.ErrorContains(t, err, "it was not done after 50ms and was ended")
		})
	}
}

// An answer in time ends the watch, and the process goes on.
func TestAnswersInTime(t *testing.T) {
	if _, err := exec.LookPath("cat"); err != nil {
		t.Skip("needs cat")
	}
	p, err := Start("cat", nil, nil, time.Minute)
	require.NoError(t, err)
	for _, question := range []string{"one", "two"} {
		answer, err := p.Ask(question)
		require.NoError(t, err)
		require.Equal(t, question+"\n", string(answer))
	}
	p.Close()
}
