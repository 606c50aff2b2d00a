package peers

import "syscall"

// dieWithParent makes the kernel kill a child whose test died without cleaning up.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
