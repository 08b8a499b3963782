package process

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// patience is how many times its timeout an answer may take if its process gets little of the CPU. A process that waits
// for something that never comes uses no CPU time, and has to end as well.
const patience = 10

// watch kills the process when the answer that begins now is overdue. The function that it returns ends that, and
// reports whether the process still lives.
func (p *Process) watch() (inTime func() bool) {
	began := time.Now()
	before, _ := usedBy(p.Cmd.Process.Pid)
	answered, lives := make(chan struct{}), make(chan bool, 1)
	go func() {
		timer := time.NewTimer(p.timeout)
		defer timer.Stop()
		for {
			select {
			case <-answered:
				lives <- true
				return
			case <-timer.C:
			}
			used, known := usedBy(p.Cmd.Process.Pid)
			left := left(p.timeout, time.Since(began), used-before, known)
			if left <= 0 {
				_ = p.Cmd.Process.Kill()
				lives <- false
				return
			}
			timer.Reset(left)
		}
	}()
	return func() bool {
		close(answered)
		return <-lives
	}
}

// left is when to look again at an answer that has taken so long, of which so much CPU time, if that is known. Zero or
// less: it is overdue.
func left(timeout, took, used time.Duration, known bool) time.Duration {
	if !known {
		return timeout - took
	}
	return min(timeout-used, patience*timeout-took)
}

// usedBy is the CPU time of a process so far, where the system tells it in /proc.
func usedBy(pid int) (used time.Duration, known bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, false
	}
	return parseStat(string(text))
}

// parseStat reads the fields utime and stime, the 14th and 15th of proc_pid_stat(5), in hundredths of a second. The
// second is the name of the program in parentheses, and may have any character in it.
func parseStat(text string) (used time.Duration, known bool) {
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) < 13 {
		return 0, false
	}
	for _, field := range fields[11:13] {
		ticks, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, false
		}
		used += time.Duration(ticks) * 10 * time.Millisecond
	}
	return used, true
}
