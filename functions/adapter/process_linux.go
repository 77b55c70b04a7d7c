package main

import (
	"os"
	"syscall"
)

// attributes give the model a process group of its own, so that it can be killed
// with its children, and have the kernel kill it when the adapter ends in any way.
// Its children then get no signal, but on Lambda the environment ends with the
// adapter.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// killAll kills the process and its group. What has ended cannot be killed, and
// need not be.
func killAll(leader *os.Process) { _ = syscall.Kill(-leader.Pid, syscall.SIGKILL) }
