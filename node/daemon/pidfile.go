package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Record is the content of a PID file, format 1: one JSON object. The fields of format 1 are those of this struct;
// unknown fields are ignored, so that they may be added. A file of another format belongs to another version of kvs: it
// is neither trusted nor removed. Anything that does not parse is corrupt.
type Record struct {
	Format int `json:"format"`
	PID    int `json:"pid"`
	// field 22 of /proc/PID/stat: clock ticks from boot to the start of the process.
	StartTicks uint64    `json:"start_ticks"`
	BootID     string    `json:"boot_id"` // /proc/sys/kernel/random/boot_id: ticks only compare within one boot.
	Name       string    `json:"name"`
	Config     string    `json:"config"`
	Address    string    `json:"address"` // host:port of the REST API; empty until the node serves.
	Started    time.Time `json:"started"`
	Version    string    `json:"version"` // of kvs.
}

const (
	pidFormat       = 1
	pidFileBytesMax = 64 << 10
)

// Errors of reading a PID file, wrapped. A missing file is os.ErrNotExist.
var (
	ErrPIDFileCorrupt = errors.New("the PID file is corrupt")
	ErrPIDFileFormat  = errors.New("the PID file was written by another version of kvs")
	ErrPIDFileForeign = errors.New("the PID file is not in its place")
)

// Serving reports whether the node has written its address.
func (r *Record) Serving() bool { return r.Address != "" }

// readRecord reads the PID file at path.
func readRecord(path string) (Record, error) {
	f, err := os.Open(path)
	if err != nil {
		return Record{}, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, pidFileBytesMax+1))
	if err != nil {
		return Record{}, fmt.Errorf("read PID file %s: %w", path, err)
	}
	rec, err := parseRecord(b)
	if err != nil {
		return Record{}, fmt.Errorf("%s: %w", path, err)
	}
	return rec, nil
}

// parseRecord checks everything that is later relied upon.
func parseRecord(b []byte) (Record, error) {
	if len(b) > pidFileBytesMax {
		return Record{}, fmt.Errorf("%w: more than %d bytes", ErrPIDFileCorrupt, pidFileBytesMax)
	}
	var head struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return Record{}, fmt.Errorf("%w: %v", ErrPIDFileCorrupt, err)
	}
	if head.Format > pidFormat {
		return Record{}, fmt.Errorf("%w: format %d, this one reads %d; use the kvs that started the node",
			ErrPIDFileFormat, head.Format, pidFormat)
	}
	var rec Record
	if err := json.Unmarshal(b, &rec); err != nil {
		return Record{}, fmt.Errorf("%w: %v", ErrPIDFileCorrupt, err)
	}
	// Zero and negative numbers address process groups. 1 is allowed: in a container it is the node itself.
	if rec.Format != pidFormat || rec.PID <= 0 || rec.StartTicks == 0 || rec.BootID == "" ||
		!filepath.IsAbs(rec.Config) {
		return Record{}, fmt.Errorf("%w: a field is missing or impossible", ErrPIDFileCorrupt)
	}
	return rec, nil
}

// writeRecord replaces the PID file at path in one step: a reader sees the old one or the new one, never half of one.
func writeRecord(path string, rec Record) error {
	rec.Format = pidFormat
	b, err := json.MarshalIndent(rec, "", "  ")
	if err != nil {
		return fmt.Errorf("encode PID file: %w", err)
	}
	if _, err := parseRecord(b); err != nil {
		return fmt.Errorf("refusing to write PID file %s: %w", path, err)
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("write PID file: %w", err)
	}
	_, err = tmp.Write(append(b, '\n'))
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		_ = os.Remove(tmp.Name())
		return fmt.Errorf("write PID file: %w", err)
	}
	return nil
}

// record reads inst's PID file.
func (d *Daemon) record(inst Instance) (Record, error) {
	path := d.Home.PIDPath(inst)
	rec, err := readRecord(path)
	if err != nil {
		return Record{}, err
	}
	if rec.Config != inst.Config {
		return Record{}, fmt.Errorf("%s speaks of %s, not of %s: their hashes are equal; rename one of the "+
			"configurations", path, rec.Config, inst.Config)
	}
	return rec, nil
}

// recordOf reads the PID file of key, which names its instance. A file under another name than that instance's is a
// copy, which is not kept up to date: the instance has, or would have, its own.
func (h Home) recordOf(key string) (Record, error) {
	path := h.pidPath(key)
	rec, err := readRecord(path)
	if err != nil {
		return Record{}, err
	}
	if own := instanceAt(rec.Config).Key(); own != key {
		return Record{}, fmt.Errorf("%s: %w: it speaks of %s, whose PID file is %s.pid; remove it if it is a copy",
			path, ErrPIDFileForeign, rec.Config, own)
	}
	return rec, nil
}

// keys lists the names, without .pid, of all PID files in byte order.
func (h Home) keys() ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(h.dir, "pids"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrHome, err)
	}
	var keys []string
	for _, e := range entries {
		if key, ok := strings.CutSuffix(e.Name(), ".pid"); ok && !strings.HasPrefix(key, ".") {
			keys = append(keys, key)
		}
	}
	return keys, nil
}

// Known lists the instances whose PID files can be trusted, in byte order of their keys.
func (d *Daemon) Known() ([]Instance, error) {
	keys, err := d.Home.keys()
	if err != nil {
		return nil, err
	}
	var out []Instance
	for _, key := range keys {
		if rec, err := d.Home.recordOf(key); err == nil {
			out = append(out, instanceAt(rec.Config))
		}
	}
	return out, nil
}
