package badgerstore

import (
	"encoding/binary"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"kvs/node"
)

// The first byte of a key in Badger; see the package comment.
const (
	kindData  = 'd'
	kindChunk = 'c'
	kindLarge = 'l'
	kindOwn   = 's'

	formatName = "format"
	intentName = "intent"
	numberName = "number"
)

// metaHead is the user meta of the head of a large value: 8 bytes of length; its chunks hold the rest.
const metaHead = 1

func kindKey(kind byte, key string) []byte {
	b := make([]byte, 0, 1+len(key))
	return append(append(b, kind), key...)
}

func dataKey(key string) []byte  { return kindKey(kindData, key) }
func largeKey(key string) []byte { return kindKey(kindLarge, key) }
func ownKey(name string) []byte  { return kindKey(kindOwn, name) }

func chunkKey(key string, number uint32) []byte {
	b := make([]byte, 0, 1+2+len(key)+4)
	b = append(b, kindChunk)
	b = binary.BigEndian.AppendUint16(b, uint16(len(key))) // keyBytesMax fits.
	b = append(b, key...)
	return binary.BigEndian.AppendUint32(b, number)
}

// chunkCount is how many chunks a value of so many bytes is cut into; zero: it is stored whole.
func chunkCount(n int) uint32 {
	if n <= chunkBytes {
		return 0
	}
	return uint32((n + chunkBytes - 1) / chunkBytes)
}

// readChunks puts a large value together, as of the transaction's moment.
func readChunks(txn *badger.Txn, head *badger.Item) ([]byte, error) {
	key := string(head.Key()[1:])
	var length uint64
	err := head.Value(func(b []byte) error {
		if len(b) != 8 {
			return fmt.Errorf("head of %d bytes: %w", len(b), node.ErrCorrupt)
		}
		length = binary.BigEndian.Uint64(b)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if length > valueBytesMax {
		return nil, fmt.Errorf("length %d: %w", length, node.ErrCorrupt)
	}
	value := make([]byte, 0, length)
	for i := range chunkCount(int(length)) {
		item, err := txn.Get(chunkKey(key, i))
		if err != nil {
			return nil, fmt.Errorf("chunk %d of a value of %d bytes: %w: %w", i, length, err, node.ErrCorrupt)
		}
		err = item.Value(func(b []byte) error {
			value = append(value, b...)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	if uint64(len(value)) != length {
		return nil, fmt.Errorf("chunks add up to %d bytes of %d: %w", len(value), length, node.ErrCorrupt)
	}
	return value, nil
}

// valueBytesMax bounds what a damaged head can make readChunks allocate.
const valueBytesMax = 1 << 30
