package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"kvs/node/daemon"
	"kvs/node/host/config"
)

// loadConfig reads inst's configuration.
func (a *app) loadConfig(inst daemon.Instance) (*config.Config, error) {
	cfg, err := config.Read(inst.Config)
	if err != nil {
		return nil, coded(exitUsage, err)
	}
	return cfg, nil
}

// loadOrWrite reads inst's configuration, and writes one with the defaults when there is none: mayWrite has allowed it.
func (a *app) loadOrWrite(inst daemon.Instance) (*config.Config, error) {
	cfg, created, err := config.Load(inst.Config)
	if err != nil {
		return nil, coded(exitUsage, err)
	}
	if created {
		a.say("%s: NEW NODE: there was no configuration; wrote %s with the defaults, each explained in it", inst,
			inst.Config)
	}
	return cfg, nil
}

// mayWrite is why no configuration is written for an argument that names none: it is a folder, it is in another folder
// than the current one, or it is probably a typing error. An unintended node, on the default port and alone in its
// cluster, would take writes like any other.
func (a *app) mayWrite(arg string, inst daemon.Instance) error {
	if err := a.notAFolder(arg); err != nil {
		return err
	}
	cwd, err := a.cwd()
	if err != nil {
		return err
	}
	if real, err := filepath.EvalSymlinks(cwd); err == nil {
		cwd = real
	}
	dir := filepath.Dir(inst.Config)
	if near := similarConfig(dir, filepath.Base(inst.Config)); near != "" {
		return usageError("%s: there is no such configuration; did you mean %s? A new one is written by kvs init",
			arg, filepath.Join(filepath.Dir(arg), near))
	}
	if dir != cwd {
		return usageError("%s: there is no such configuration, and one is written into the current folder only: go "+
			"to %s first, or see kvs init",
			arg, dir)
	}
	return nil
}

// similarConfig is the configuration in dir that was probably meant by a missing name; empty: there is none. Names that
// differ only in their numbers, node1 and node2, are no typing errors.
func similarConfig(dir, name string) string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "" // writing there reports the error.
	}
	word := stemOf(name)
	files := map[string]string{}
	var words []string
	for _, e := range entries {
		other := stemOf(e.Name())
		if e.IsDir() || other == e.Name() || withoutDigits(other) == withoutDigits(word) {
			continue
		}
		files[other] = e.Name()
		words = append(words, other)
	}
	slices.Sort(words)
	return files[config.Nearest(word, words)]
}

// stemOf is a configuration's name without its extension; the name itself if it has none of a configuration.
func stemOf(name string) string {
	if ext := filepath.Ext(name); ext == ".yaml" || ext == ".yml" {
		return strings.TrimSuffix(name, ext)
	}
	return name
}

func withoutDigits(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, s)
}
