//go:build unix && !linux

package endpoint

import "syscall"

// processAttributes has no parent-death signal to set: only Linux has one. After
// a SIGKILL of this program its copies must be stopped by hand.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
