package s3gateway

import (
	"os/exec"
	"syscall"
)

// dieWithParent makes the kernel end the server when the test process dies without
// a cleanup (a panic, a timeout).
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
