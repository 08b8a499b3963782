package process

import (
	"os/exec"
	"syscall"
)

// dieWithUs makes the kernel kill the process when we end, however we do: no killed test leaves nodes behind. A Ctrl-C
// at the terminal is for us alone: we end the nodes.
func dieWithUs(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
