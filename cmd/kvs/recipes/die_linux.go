package recipes

import "syscall"

// dieWithUs makes the kernel kill the program when this process ends in any way, because the lock ends soon after.
func dieWithUs(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }
