//go:build unix && !linux

package process

import "syscall"

// attributes have no parent-death signal to set: only Linux has one. After a
// SIGKILL of this program what it started must be stopped by hand.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
