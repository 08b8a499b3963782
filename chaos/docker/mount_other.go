//go:build !linux

package docker

import "errors"

var errNoMounts = errors.New("small disks need Linux")

func mountSmall(string, string, int64) error { return errNoMounts }

func unmount(string) error { return errNoMounts }
