package voting

import (
	"encoding/binary"
	"fmt"

	"kvs/node/codec"
	"kvs/node/contract"
	"kvs/node/schema"
	"kvs/node/slot"
)

// A configuration as stored under m/config (sealed like the other records there) and sent:
//
//	epoch u64, founding uuid, previous voters count u32 {id u64}, voters count u32 {id u64}, {tag u8, section}
//
// Sections come in the order of their tags; an empty section is left out:
//
//	1	former foundings count u32 {uuid}
//	2	strong prefixes count u32 {string}
//	3	members held from voting count u32 {id u64}
const (
	sectionFormer = 1
	sectionStrong = 2
	sectionHeld   = 3
)

// FoundingsMax bounds the foundings that one replaces: recoveries of one cluster.
const FoundingsMax = 16

// HeldMax bounds the members that are held from voting; beyond it those with the highest IDs are dropped.
const HeldMax = 256

// Append appends what Read reads.
func Append(b []byte, c *Config) []byte {
	b = binary.LittleEndian.AppendUint64(b, c.Epoch)
	b = append(b, c.Founding[:]...)
	b = slot.AppendIDs(slot.AppendIDs(b, c.Previous), c.Voters)
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
		b = slot.AppendIDs(append(b, sectionHeld), c.Held)
	}
	return b
}

// Read reads a configuration, which is always the last field of a record or message.
func Read(r *codec.Reader) *Config {
	c := &Config{Epoch: r.U64(), Founding: slot.ReadUUID(r), Previous: slot.ReadIDs(r, VotersMax),
		Voters: slot.ReadIDs(r, VotersMax)}
	for last := byte(0); r.Len() > 0 && !r.Failed(); {
		tag := r.U8()
		if tag <= last {
			r.Fail()
		}
		switch last = tag; tag {
		case sectionFormer:
			for range r.Count(FoundingsMax, len(slot.UUID{})) {
				c.Former = append(c.Former, slot.ReadUUID(r))
			}
			r.FailIf(len(c.Former) == 0)
		case sectionStrong:
			c.Strong = readStrongPrefixes(r)
		case sectionHeld:
			c.Held = slot.ReadIDs(r, HeldMax)
			r.FailIf(len(c.Held) == 0)
		default:
			r.Fail() // written by a newer kvs.
		}
	}
	if c.Epoch == 0 || len(c.Voters) == 0 || c.Founding.IsZero() {
		r.Fail()
	}
	return c
}

// Encode returns the record under schema.KeyConfig.
func Encode(c *Config) []byte {
	return schema.Seal(schema.KeyConfig, Append([]byte{schema.Format}, c))
}

// Stored reads the configuration in force from a store; nil: it holds none. Errors: it cannot be read, or is not what
// was written.
func Stored(store contract.Reader) (*Config, error) {
	b, ok, err := store.Get(schema.KeyConfig)
	if err != nil {
		return nil, fmt.Errorf("recover configuration: %w", err)
	}
	if !ok {
		return nil, nil
	}
	r, err := schema.Open(schema.KeyConfig, b)
	if err != nil {
		return nil, fmt.Errorf("recover configuration: %w", err)
	}
	c := Read(r)
	if r.End() != nil {
		return nil, fmt.Errorf("recover configuration: impossible content: %w", codec.ErrCorrupt)
	}
	return c, nil
}
