package daemon

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
)

// Exec launches nodes by running Program with Args and the configuration's path: the foreground form of kvs.
type Exec struct {
	Program string
	Args    []string
}

// Launch starts the program in a session of its own, so that neither the terminal's signals nor its end reach it. Its
// working directory is the configuration's folder: always the same one, wherever `kvs start` was typed.
func (e Exec) Launch(inst Instance, log, lock *os.File) (Child, error) {
	const lockFD = 3 // the first of ExtraFiles.
	cmd := exec.Command(e.Program, append(append([]string(nil), e.Args...), inst.Config)...)
	cmd.Dir = filepath.Dir(inst.Config)
	cmd.Env = append(os.Environ(), lockVariable+"="+strconv.Itoa(lockFD), LogVariable+"="+log.Name())
	cmd.Stdin = nil // /dev/null.
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{lock}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("launch %s: %w", e.Program, err)
	}
	c := &execChild{pid: cmd.Process.Pid, exited: make(chan struct{})}
	go func() { // reaps the process if it ends before `kvs start` does; afterwards init inherits it.
		_ = cmd.Wait()
		c.reason = cmd.ProcessState.String()
		close(c.exited)
	}()
	return c, nil
}

type execChild struct {
	pid    int
	exited chan struct{}
	reason string // written before exited is closed.
}

func (c *execChild) PID() int                { return c.pid }
func (c *execChild) Exited() <-chan struct{} { return c.exited }
func (c *execChild) Reason() string {
	<-c.exited
	return c.reason
}
