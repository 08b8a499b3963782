package process

import (
	"os/exec"
	"syscall"
)

// dieWithUs makes the kernel kill the process when this process ends in any way: a killed test leaves no nodes. A
// Ctrl-C at the terminal reaches only this process, which ends the nodes.
func dieWithUs(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
