package node

import (
	"encoding/binary"
	"fmt"
)

// A configuration as stored under m/config (sealed like the other facts) and sent:
//
//	epoch u64, founding uuid, previous voters count u32 {id u64}, voters count u32 {id u64}, {tag u8, section}
//
// Sections come in the order of their tags, and only where there is something to say:
//
//	1	former foundings count u32 {uuid}
//	2	strong prefixes count u32 {string}
//	3	members held from voting count u32 {id u64}
const (
	keyConfig     = prefixMeta + "config"
	sectionFormer = 1
	sectionStrong = 2
	sectionHeld   = 3
)

func appendConfig(b []byte, c *Config) []byte {
	b = binary.LittleEndian.AppendUint64(b, c.Epoch)
	b = append(b, c.Founding[:]...)
	b = appendIDs(appendIDs(b, c.Previous), c.Voters)
	if len(c.Former) > 0 {
		b = append(b, sectionFormer)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(c.Former)))
		for _, f := range c.Former {
			b = append(b, f[:]...)
		}
	}
	if len(c.Strong) > 0 {
		b = appendStrong(append(b, sectionStrong), c.Strong)
	}
	if len(c.Held) > 0 {
		b = appendIDs(append(b, sectionHeld), c.Held)
	}
	return b
}

func appendIDs(b []byte, ids []ID) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(ids)))
	for _, id := range ids {
		b = binary.LittleEndian.AppendUint64(b, uint64(id))
	}
	return b
}

// ids reads sorted IDs.
func (r *wireReader) ids(countMax int) []ID {
	count := r.count(countMax, 8)
	var out []ID
	for range count {
		id := ID(r.u64())
		if k := len(out); id == 0 || k > 0 && out[k-1] >= id {
			r.bad = true
		}
		out = append(out, id)
	}
	return out
}

// config reads a configuration, which is the last thing in whatever holds one.
func (r *wireReader) config() *Config {
	c := &Config{Epoch: r.u64(), Founding: r.uuid(), Previous: r.ids(VotersMax), Voters: r.ids(VotersMax)}
	for last := byte(0); len(r.b) > 0 && !r.bad; {
		tag := r.u8()
		if tag <= last {
			r.bad = true
		}
		switch last = tag; tag {
		case sectionFormer:
			for range r.count(foundingsMax, len(UUID{})) {
				c.Former = append(c.Former, r.uuid())
			}
			r.bad = r.bad || len(c.Former) == 0
		case sectionStrong:
			c.Strong = r.strongPrefixes()
		case sectionHeld:
			c.Held = r.ids(heldMax)
			r.bad = r.bad || len(c.Held) == 0
		default:
			r.bad = true // of a newer kvs.
		}
	}
	if c.Epoch == 0 || len(c.Voters) == 0 || c.Founding.IsZero() {
		r.bad = true
	}
	return c
}

func encodeMetaConfig(c *Config) []byte {
	return sealMeta(keyConfig, appendConfig([]byte{metaFormat}, c))
}

func (n *Node) recoverConfig() error {
	r, err := n.readMeta(keyConfig)
	if err != nil {
		return fmt.Errorf("recover configuration: %w", err)
	}
	if r == nil {
		return nil
	}
	if err := n.recoverPassed(); err != nil {
		return err
	}
	n.config = r.config()
	if r.end() != nil {
		return fmt.Errorf("recover configuration: impossible content: %w", ErrCorrupt)
	}
	return nil
}

// StoredConfig returns the configuration in a store; nil: it holds none.
func StoredConfig(store Reader) (*Config, error) {
	n := &Node{store: store, tuning: DefaultTuning()}
	err := n.recoverConfig()
	return n.config, err
}

func (n *Node) encodeConfigAsk() []byte {
	return sealEnvelope(n.beginEnvelope(msgConfigAsk, 0))
}

func decodeConfigAsk(body []byte) error {
	r := wireReader{b: body}
	return r.end()
}

// encodeConfigIs tells c; nil: there is none.
func (n *Node) encodeConfigIs(c *Config) []byte {
	b := n.beginEnvelope(msgConfigIs, 256)
	if c == nil {
		return sealEnvelope(append(b, 0))
	}
	return sealEnvelope(appendConfig(append(b, 1), c))
}

func decodeConfigIs(body []byte) (c *Config, err error) {
	r := wireReader{b: body}
	switch r.u8() {
	case 0:
	case 1:
		c = r.config()
	default:
		r.bad = true
	}
	return c, r.end()
}
