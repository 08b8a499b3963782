//go:build !linux

package process

import "os/exec"

// dieWithUs needs Linux, as the relays do.
func dieWithUs(*exec.Cmd) {}
