//go:build !linux

package recipes

import "syscall"

// dieWithUs needs Linux: elsewhere a program outlives a kvs lock that is killed.
func dieWithUs(*syscall.SysProcAttr) {}
