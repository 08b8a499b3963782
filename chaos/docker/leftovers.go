package docker

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	dc "github.com/ory/dockertest/v3/docker"
)

// label marks every container, volume, network and image; its value names the run: PID-COUNTER.
const label = "kvs.chaos.run"

// Available returns nil when Start can work here: an engine answers, and rules can be made.
func Available() error {
	if _, err := connect(); err != nil {
		return err
	}
	if _, err := ruleChains(); err != nil {
		return err
	}
	return rulesHold(bridgeRules)
}

// RemoveLeftovers removes the leftovers of runs whose process is gone. Runs of living processes are left alone.
func RemoveLeftovers() error {
	client, err := connect()
	if err != nil {
		return err
	}
	return removeLeftovers(client)
}

// removeLeftovers runs in one process at a time, and in one goroutine: a second call finds nothing instead of things
// that the first has begun to remove.
func removeLeftovers(client *dc.Client) error {
	root, err := os.Open("/") // any folder that all processes see can carry the lock, and no file is left.
	if err != nil {
		return err
	}
	defer root.Close()
	if err := syscall.Flock(int(root.Fd()), syscall.LOCK_EX); err != nil {
		return os.NewSyscallError("flock /", err)
	}
	return remove(client, func(run string) bool { return !ownerLives(run) })
}

// making is held for reading by code that makes something, and for writing by RemoveOwn.
var making sync.RWMutex

// RemoveOwn removes everything that this process made and has not closed: for a program that has to end at once. A
// caller that makes something afterwards, such as a test that is still running, waits until the process ends.
func RemoveOwn() error {
	making.Lock()
	client, err := connect()
	if err != nil {
		return err
	}
	own := strconv.Itoa(os.Getpid())
	return remove(client, func(run string) bool { number, _, _ := strings.Cut(run, "-"); return number == own })
}

// RemoveFolders removes the folders that runs left whose process is gone: those in parent called prefix, PID, a dash
// and anything.
func RemoveFolders(parent, prefix string) error {
	found, err := filepath.Glob(filepath.Join(parent, prefix+"*-*"))
	errs := []error{err}
	for _, dir := range found {
		run := strings.TrimPrefix(filepath.Base(dir), prefix)
		number, _, _ := strings.Cut(run, "-")
		if _, err := strconv.Atoi(number); err == nil && !ownerLives(run) {
			errs = append(errs, os.RemoveAll(dir))
		}
	}
	return errors.Join(errs...)
}

// ownerLives reports whether the process is alive after which a run is named. A process of another program with the
// same PID also keeps a leftover until it ends: that is better than removing the cluster of a running test.
func ownerLives(run string) bool {
	number, _, _ := strings.Cut(run, "-")
	pid, err := strconv.Atoi(number)
	if err != nil || pid <= 0 {
		return false
	}
	if pid == os.Getpid() {
		return true
	}
	return !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
}

// remove takes away all containers, volumes, networks, images and rules of the runs that which chooses, in the order of
// their dependencies. It goes on after an error.
func remove(client *dc.Client, which func(run string) bool) error {
	return errors.Join(removeContainers(client, which), removeVolumes(client, which), removeNetworks(client, which),
		removeImages(client, which), removeMounts(which), removeRules(which))
}

func removeContainers(client *dc.Client, which func(string) bool) error {
	list, err := client.ListContainers(
		dc.ListContainersOptions{All: true, Filters: map[string][]string{"label": {label}}})
	errs := []error{err}
	for _, c := range list {
		if !which(c.Labels[label]) {
			continue
		}
		if c.State == "paused" {
			errs = append(errs, client.UnpauseContainer(c.ID))
		}
		errs = append(errs,
			client.RemoveContainer(dc.RemoveContainerOptions{ID: c.ID, Force: true, RemoveVolumes: true}))
	}
	return errors.Join(errs...)
}

func removeVolumes(client *dc.Client, which func(string) bool) error {
	list, err := client.ListVolumes(dc.ListVolumesOptions{Filters: map[string][]string{"label": {label}}})
	errs := []error{err}
	for _, v := range list {
		if which(v.Labels[label]) {
			errs = append(errs, client.RemoveVolumeWithOptions(dc.RemoveVolumeOptions{Name: v.Name}))
		}
	}
	return errors.Join(errs...)
}

func removeNetworks(client *dc.Client, which func(string) bool) error {
	list, err := client.FilteredListNetworks(dc.NetworkFilterOpts{"label": {label: true}})
	errs := []error{err}
	for _, n := range list {
		if which(n.Labels[label]) {
			errs = append(errs, client.RemoveNetwork(n.ID))
		}
	}
	return errors.Join(errs...)
}

func removeImages(client *dc.Client, which func(string) bool) error {
	list, err := client.ListImages(dc.ListImagesOptions{Filters: map[string][]string{"label": {label}}})
	errs := []error{err}
	for _, i := range list {
		if which(i.Labels[label]) {
			errs = append(errs, client.RemoveImageExtended(i.ID, dc.RemoveImageOptions{Force: true}))
		}
	}
	return errors.Join(errs...)
}

func removeRules(which func(string) bool) error {
	chains, err := ruleChains()
	errs := []error{err}
	for _, c := range chains {
		if which(strings.TrimPrefix(c, chainPrefix)) {
			errs = append(errs, removeChain(c))
		}
	}
	return errors.Join(errs...)
}
