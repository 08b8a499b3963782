package host

import (
	"context"
	crand "crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"

	"kvs/node"
	"kvs/node/host/config"
	"kvs/node/host/store"
)

// Offline is the data of a node that does not run. It holds the folder's lock, so the node cannot be started meanwhile.
// The caller owns it, and closes it.
type Offline struct {
	store *store.Store
	node.Recovery
}

// OpenOffline opens the data of a node that does not run. Errors: it runs, it never ran, its data cannot be read.
func OpenOffline(cfg *config.Config) (*Offline, error) { return openOffline(cfg, false) }

// OpenDamaged opens a store that has lost data as it is, of a node that does not run. From then on the node starts with
// it, and the loss is no longer detected.
func OpenDamaged(cfg *config.Config) (*Offline, error) { return openOffline(cfg, true) }

func openOffline(cfg *config.Config, acceptLoss bool) (*Offline, error) {
	if _, err := os.Stat(cfg.DataDir); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no data in %s: this node has never run", cfg.DataDir)
	}
	o := storeOptions(cfg, slog.New(slog.DiscardHandler))
	o.Base.AcceptLoss = acceptLoss
	opened, err := store.Open(context.Background(), o)
	if err != nil {
		return nil, err
	}
	r, err := node.InspectRecovery(opened)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", cfg.DataDir, err), opened.Close())
	}
	if r.Cluster != cfg.Cluster {
		return nil,
			errors.Join(
				fmt.Errorf("the data in %s belongs to cluster %q, the configuration says %q: correct one of them",
					cfg.DataDir, r.Cluster, cfg.Cluster), opened.Close())
	}
	return &Offline{store: opened, Recovery: *r}, nil
}

// Close releases the folder.
func (o *Offline) Close() error { return o.store.Close() }

// ReplaceVoters writes a configuration in which these are the voters: see node.Recovery. It is on disk when it returns,
// and in force when the node starts.
func (o *Offline) ReplaceVoters(voters []node.ID) (*node.Config, error) {
	c, changes, err := o.plan(voters)
	if err != nil {
		return nil, err
	}
	if err := o.store.Apply(changes); err != nil {
		return nil, fmt.Errorf("write the configuration: %w: look at it again before you start the node", err)
	}
	return c, nil
}

// NotRemoved makes these identities members again in this store: see node.Recovery. It is on disk when it returns.
func (o *Offline) NotRemoved(ids []node.ID) error {
	change, err := o.Recovery.NotRemoved(ids)
	if err != nil {
		return err
	}
	if err := o.store.Apply([]node.Change{change}); err != nil {
		return fmt.Errorf("write the address book: %w: look at it again before you start the node", err)
	}
	return nil
}

// CheckVoters returns the error with which ReplaceVoters would refuse these voters, and changes nothing.
func (o *Offline) CheckVoters(voters []node.ID) error {
	_, _, err := o.plan(voters)
	return err
}

func (o *Offline) plan(voters []node.ID) (*node.Config, []node.Change, error) {
	var random [20]byte
	if _, err := crand.Read(random[:]); err != nil {
		return nil, nil, fmt.Errorf("randomness: %w", err)
	}
	founding := node.UUID(random[:16])
	founding[6] = founding[6]&0x0f | 0x40 // version 4, variant of RFC 9562, section 5.4.
	founding[8] = founding[8]&0x3f | 0x80
	return o.Recover(voters, founding, binary.LittleEndian.Uint32(random[16:]))
}
