package slack

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// program makes this test a program that widens its slack and reports what it is then.
const program = "KVS_TEST_SLACK_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(program) == "" {
		os.Exit(m.Run())
	}
	if err := Widen(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	slack := make(chan int)
	go func() { // as a rule on another thread.
		n, _ := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
		slack <- n
	}()
	_, told := os.LookupEnv(variable)
	inherited, _ := io.ReadAll(os.NewFile(3, "inherited"))
	fmt.Println(<-slack, os.Getpid(), told, os.Args[1:], string(inherited))
}

// start runs the program with a slack, and returns its report and its process ID.
func start(t *testing.T, environment ...string) (report string, pid int) {
	t.Helper()
	read, write, err := os.Pipe()
	require.NoError(t, err)
	cmd := exec.Command(os.Args[0], "a", "b c")
	cmd.Env = append(append(os.Environ(), program+"=1"), environment...)
	cmd.ExtraFiles = []*os.File{read}
	out := &strings.Builder{}
	cmd.Stdout = out
	require.NoError(t, cmd.Start())
	_, err = write.WriteString("file")
	require.NoError(t, err)
	require.NoError(t, write.Close())
	require.NoError(t, read.Close())
	require.NoError(t, cmd.Wait(), out.String())
	return strings.TrimSpace(out.String()), cmd.Process.Pid
}

// The program runs anew in the same process, with its arguments and files, and all its threads have the slack.
func TestWiden(t *testing.T) {
	report, pid := start(t)
	require.Equal(t, fmt.Sprintf("%d %d false [a b c] file", Wanted, pid), report)
}

// The program is not run for a third time, whatever has become of its slack.
func TestWidenOnce(t *testing.T) {
	before, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	require.NoError(t, err)
	report, pid := start(t, variable+"=1ms")
	require.Equal(t, fmt.Sprintf("%d %d false [a b c] file", before, pid), report)
}
