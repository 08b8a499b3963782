package configuration

import (
	"encoding/binary"
	"fmt"

	"kvs/node/codec"
	"kvs/node/schema"
	"kvs/node/step"
)

// The record m/passed: format u8, epoch u64, sealed like the other facts.
func encodePassed(epoch uint64) []byte {
	return schema.Seal(schema.KeyPassed, binary.LittleEndian.AppendUint64([]byte{schema.Format}, epoch))
}

// StoredPassed is the last epoch with which the member of a store has caught up; zero: none.
func StoredPassed(shared *step.Shared) (epoch uint64, err error) {
	r, err := shared.ReadMeta(schema.KeyPassed)
	if err != nil || r == nil {
		return 0, err
	}
	epoch = r.U64()
	if r.End() != nil {
		return 0, fmt.Errorf("recover %s: impossible content: %w", schema.KeyPassed, codec.ErrCorrupt)
	}
	return epoch, nil
}
