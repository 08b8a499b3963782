package sim

import (
	"encoding/binary"
	"fmt"

	"kvs/node"
)

// "Persist, then speak" of what a member says about configurations: whoever takes part in an epoch has its configuration on disk, and
// who says that it has caught up has that on disk. Otherwise a crash would have it take part in the epoch before once more, whose
// voters may by then have been asked what they hold, or forget what others count on. A message that left too early shows without a
// crash.

// Where the epoch stands in the bodies of messages, by kind, counted in bytes: node/message.go, round_wire.go, voters_wire.go and
// epoch_encoding.go.
var epochOffsets = map[byte]int{
	20: 8, 21: 8, 22: 8, 23: 8, // store, stored, fetch, fetched: behind the operation.
	41: 1,                             // config-is: behind whether there is one.
	42: 8, 43: 8, 44: 8, 45: 8, 46: 8, // prepare, look, promised, accept, accepted: behind the round.
	47: 0, 48: 0, 49: 0, 54: 0, 55: 0, // epoch, passed-ask, passed-is, adopted-ask, adopted-is.
	50: 8, // catch-range: behind the round.
}

const (
	kindPassedIs   = 49
	envelopeHeader = 26 // bytes before the body: node/wire.go.
	envelopeSeal   = 4  // bytes behind it.
	configKey      = "m/config"
	passedKey      = "m/passed"
)

// checkEpoch looks at a message in the moment in which it leaves r.
func (w *world) checkEpoch(r *replica, data []byte) {
	if len(data) < envelopeHeader+envelopeSeal {
		return
	}
	offset, carries := epochOffsets[data[1]]
	body := data[envelopeHeader : len(data)-envelopeSeal]
	if !carries || len(body) < offset+8 {
		return // there may be no configuration to tell of.
	}
	key := configKey
	if data[1] == kindPassedIs {
		key = passedKey
	}
	says := binary.LittleEndian.Uint64(body[offset:])
	if has := storedEpoch(r.disk.store, key); says > has {
		w.violate(Violation{Promise: promisePersist, Node: r.number,
			Detail: fmt.Sprintf("sends %s in epoch %d, and has epoch %d on disk under %s", messageKind(data), says, has, key)})
	}
}

// storedEpoch reads the epoch in a node's own record: behind its format.
func storedEpoch(store node.Reader, key string) uint64 {
	b, found, err := store.Get(key)
	if err != nil || !found || len(b) < 9 {
		return 0
	}
	return binary.LittleEndian.Uint64(b[1:])
}
