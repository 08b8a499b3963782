package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"path/filepath"
	"slices"
	"time"

	"kvs/node"
	"kvs/node/host/badgerstore"
	"kvs/node/slot"
)

// The host's handling of a store that has lost data, or is too damaged to be opened: it sets the store aside, removes
// nothing, and starts the node on an empty store, in the place of the identity that ended with the old one
// (node/lost.go). For that it keeps two files outside the store, which damage of the store does not affect: MEMBER has
// the node's identity and the addresses of other members, and LOST, while the node replaces a former identity, that
// identity. If no other member is known there is no source for the data, and the node does not start: an operator
// decides.

// besideFormat numbers the content of both files. A file of another format, or a damaged one, counts as none.
const besideFormat = 1

// memberNote is the content of MEMBER.
type memberNote struct {
	Format  int      `json:"format"`
	ID      string   `json:"id"`
	Cluster string   `json:"cluster"`
	Addrs   []string `json:"addresses"` // of the other members.
}

// lostNote is the content of LOST.
type lostNote struct {
	Format int       `json:"format"`
	At     time.Time `json:"at"`
	Why    string    `json:"why"`
	Former []string  `json:"former"`    // identities that ended.
	Addrs  []string  `json:"addresses"` // of the other members.
}

// sealNote is the JSON of a note, with its checksum in a line of its own.
func sealNote(note any) ([]byte, error) {
	b, err := json.MarshalIndent(note, "", "  ")
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(b, "\nCRC-32C %08x\n", crc32.Checksum(b, castagnoli)), nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

const sealBytes = len("\nCRC-32C 00000000\n")

// unsealNote reads what sealNote has made.
func unsealNote(b []byte, note any) bool {
	if len(b) < sealBytes {
		return false
	}
	body, sum := b[:len(b)-sealBytes], b[len(b)-sealBytes:]
	return string(sum) == fmt.Sprintf("\nCRC-32C %08x\n", crc32.Checksum(body, castagnoli)) &&
		json.Unmarshal(body, note) == nil
}

func readMember(dir string) (note memberNote, ok bool) {
	b, err := badgerstore.ReadBeside(dir, badgerstore.MemberFile)
	ok = err == nil && unsealNote(b, &note) && note.Format == besideFormat
	return note, ok
}

func readLost(dir string) (note lostNote, ok bool) {
	b, err := badgerstore.ReadBeside(dir, badgerstore.LostFile)
	ok = err == nil && unsealNote(b, &note) && note.Format == besideFormat
	return note, ok
}

// setAside is called with the reason why the store cannot be opened. If other members are known that may have its data,
// it sets the store aside to make room for a new one; otherwise it returns an error with what an operator can do.
func (h *Host) setAside(why error) error {
	dir := h.cfg.DataDir
	note := lostNote{Format: besideFormat, At: time.UnixMilli(h.clock.Wall()).UTC(), Why: why.Error()}
	if before, ok := readLost(dir); ok { // the last loss was not repaired yet.
		note.Former, note.Addrs = before.Former, before.Addrs
	}
	if m, ok := readMember(dir); ok {
		if m.ID != "" && !slices.Contains(note.Former, m.ID) {
			note.Former = append(note.Former, m.ID)
		}
		note.Addrs = append(note.Addrs, m.Addrs...)
	}
	note.Addrs = slices.DeleteFunc(note.Addrs, func(a string) bool { return a == h.cfg.Advertise })
	slices.Sort(note.Addrs)
	note.Addrs = slices.Compact(note.Addrs)
	others := slices.ContainsFunc(h.cfg.Seeds, func(s string) bool { return s != h.cfg.Advertise && s != h.cfg.Listen })
	if len(note.Addrs) == 0 && !others {
		return fmt.Errorf(
			"%w; this node knows no other member that could have its data: restore a backup of the folder, "+
				"or go on with what is left: kvs recover %s --damaged --i-accept-data-loss", why, h.cfg.File)
	}
	sealed, err := sealNote(&note)
	if err != nil {
		return errors.Join(why, err)
	}
	aside, err := badgerstore.SetAside(dir, note.At, sealed)
	if err != nil {
		return errors.Join(why, err)
	}
	h.logger.Error("the store has lost data: it is set aside, nothing of it is removed, "+
		"and this node gets its data from the other members", "error", why, "set_aside", aside, "former", note.Former)
	return nil
}

// standIn is what the core has to know about the loss; nil: the store has lost nothing.
func (h *Host) standIn() *node.Lost {
	note, ok := readLost(h.cfg.DataDir)
	if !ok {
		return nil
	}
	h.lost.Store(&note)
	l := &node.Lost{Addrs: note.Addrs}
	for _, text := range note.Former {
		if id, err := slot.ParseID(text); err == nil {
			l.Former = append(l.Former, id)
		}
	}
	return l
}

// lostWarnings describe the loss that is being repaired.
func (h *Host) lostWarnings(st *node.Status) []string {
	note := h.lost.Load()
	if note == nil {
		return nil
	}
	out := []string{fmt.Sprintf("on %s the store had lost data (%s): it is kept in %s, "+
		"and this node gets everything anew from the others", note.At.Format("2006-01-02 15:04:05 UTC"), note.Why,
		filepath.Join(h.cfg.DataDir, "damaged-*"))}
	if st.StandsIn != "" {
		out = append(out, st.StandsIn)
	}
	return out
}

// memberWatch keeps MEMBER up to date, and removes LOST when the loss is repaired.
type memberWatch struct {
	h        *Host
	interval time.Duration
	written  []byte
	failed   bool
}

const memberInterval = 2 * time.Second

// run looks until ctx ends, the first time at once.
func (w *memberWatch) run(ctx context.Context) {
	tick := time.NewTicker(w.interval)
	defer tick.Stop()
	for {
		if err := w.look(ctx); err != nil && ctx.Err() == nil && !w.failed {
			w.failed = true
			w.h.logger.Warn("the files beside the store cannot be written", "dir", w.h.cfg.DataDir, "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (w *memberWatch) look(ctx context.Context) error {
	h := w.h
	st, err := h.Status(ctx)
	if err != nil {
		return nil // a failed node has logged its failure.
	}
	note := memberNote{Format: besideFormat, ID: st.ID.String(), Cluster: st.Cluster, Addrs: []string{}}
	for _, m := range st.Members {
		if m.ID != st.ID && !m.State.Gone() && len(note.Addrs) < greetMax {
			note.Addrs = append(note.Addrs, m.Addr)
		}
	}
	slices.Sort(note.Addrs)
	sealed, err := sealNote(&note)
	if err != nil {
		return err
	}
	if string(sealed) != string(w.written) {
		if err := badgerstore.WriteBeside(h.cfg.DataDir, badgerstore.MemberFile, sealed); err != nil {
			return err
		}
		w.written = sealed
	}
	if h.lost.Load() != nil && !st.Lost {
		if err := badgerstore.RemoveBeside(h.cfg.DataDir, badgerstore.LostFile); err != nil {
			return err
		}
		h.lost.Store(nil)
		h.logger.Info(
			"what the store had lost has been fetched: remove what was set aside when nothing of it is missed",
			"set_aside", filepath.Join(h.cfg.DataDir, "damaged-*"))
	}
	return nil
}
