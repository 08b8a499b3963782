package host

import (
	"fmt"

	"kvs/node/api"
	"kvs/node/host/seal"
)

// keyring is the host's keyring as node/host/rest sees it.
type keyring struct{ h *Host }

func (k keyring) IDs() (out []string) {
	for _, id := range k.h.sealer.Keys().IDs() {
		out = append(out, id.String())
	}
	return out
}

func (k keyring) Change(c api.KeyringChange) error {
	if c.Action == "install" {
		key, err := seal.ParseKey(c.Key)
		if err != nil {
			return err
		}
		return k.done("installed", key.ID(), k.h.sealer.Keys().Install(key))
	}
	id, err := seal.ParseKeyID(c.ID)
	if err != nil {
		return err
	}
	switch c.Action {
	case "use":
		return k.done("in use", id, k.h.sealer.Keys().Use(id))
	case "remove":
		return k.done("removed", id, k.h.sealer.Keys().Remove(id))
	}
	return fmt.Errorf("action %.50q: want install, use or remove", c.Action)
}

// done logs the outcome of a change.
func (k keyring) done(what string, id seal.KeyID, err error) error {
	if err == nil {
		k.h.logger.Info("gossip key "+what, "key", id.String())
	}
	return err
}
