package docker

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	dc "github.com/ory/dockertest/v3/docker"
)

const (
	mountPrefix = "kvs-chaos-" // and the run: what small disks are called in the table of mounts.
	fillFile    = "fill"       // what takes the space of a full disk.

	// diskConfig keeps a node on a small disk away from its end.
	diskConfig = "disk:\n  low_watermark: 32MiB\n  high_watermark: 48MiB\n  check_interval: 200ms\n"
	// DiskBytesMin is the smallest disk that a node can work on for a while with that configuration.
	DiskBytesMin = 128 << 20
)

// createDisk makes a named volume, or a small disk: a tmpfs that is mounted on this machine, so that it outlives the
// container's process.
func (c *Cluster) createDisk(n *member) error {
	if c.o.DiskBytes == 0 {
		n.disk = c.unique(n)
		_, err := c.client.CreateVolume(dc.CreateVolumeOptions{Name: n.disk, Labels: c.labels()})
		return err
	}
	if c.o.DiskBytes < DiskBytesMin {
		return fmt.Errorf("a disk of %d bytes; choose %d at least", c.o.DiskBytes, DiskBytesMin)
	}
	n.disk = filepath.Join(c.o.Dir, "disk-"+n.name)
	if err := os.Mkdir(n.disk, 0o755); err != nil {
		return err
	}
	return mountSmall(mountPrefix+c.run, n.disk, c.o.DiskBytes)
}

// path is where a node's data is on this machine.
func (c *Cluster) path(n *member) (string, error) {
	if c.o.DiskBytes > 0 {
		return n.disk, nil
	}
	v, err := c.client.InspectVolume(n.disk)
	if err != nil {
		return "", err
	}
	return v.Mountpoint, nil
}

// wipe takes everything off the disk of a node that is down. The disk itself stays: a container sees the one it was
// given.
func (c *Cluster) wipe(n *member) error {
	path, err := c.path(n)
	if err != nil {
		return err
	}
	state, err := c.client.InspectContainer(n.id)
	if err != nil {
		return err
	}
	if state.State.Running {
		return errors.New("it is up: crash it before its disk is wiped")
	}
	inside, err := os.ReadDir(path)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range inside {
		errs = append(errs, os.RemoveAll(filepath.Join(path, e.Name())))
	}
	return errors.Join(errs...)
}

// fill takes all the space that is left.
func (c *Cluster) fill(n *member) error {
	f, err := os.OpenFile(filepath.Join(n.disk, fillFile), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	zeros := make([]byte, 64<<10)
	for {
		if _, err := f.Write(zeros); errors.Is(err, syscall.ENOSPC) {
			return nil
		} else if err != nil && !errors.Is(err, io.ErrShortWrite) {
			return err
		}
	}
}

func (c *Cluster) unfill(n *member) error {
	if c.o.DiskBytes == 0 {
		return nil
	}
	if err := os.Remove(filepath.Join(n.disk, fillFile)); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func (c *Cluster) healDisks() error {
	var errs []error
	for _, n := range c.nodes {
		errs = append(errs, c.unfill(n))
	}
	return errors.Join(errs...)
}

// removeMounts unmounts the small disks of the runs that which chooses.
func removeMounts(which func(run string) bool) error {
	table, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return nil // no Linux: no such disks.
	}
	var errs []error
	for line := range strings.Lines(string(table)) {
		fields := strings.Fields(line)
		run, ours := strings.CutPrefix(fields[0], mountPrefix)
		if ours && which(run) {
			path := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\134`, `\`).Replace(fields[1])
			errs = append(errs, unmount(path))
		}
	}
	return errors.Join(errs...)
}
