package endpoint

import "syscall"

// processAttributes makes the kernel kill a copy when this program ends in any
// way, even by SIGKILL.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
