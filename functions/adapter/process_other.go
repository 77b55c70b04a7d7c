//go:build !linux

package main

import (
	"os"
	"syscall"
)

// attributes leave the model in the adapter's process group, which the local cloud
// ends as a whole: only Linux can end a group of its own with the adapter.
func attributes() *syscall.SysProcAttr { return nil }

// killAll kills the process. What has ended cannot be killed, and need not be.
func killAll(leader *os.Process) { _ = leader.Kill() }
