package process

import "syscall"

// attributes make the kernel kill a program when this one ends in any way, even
// by SIGKILL.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
