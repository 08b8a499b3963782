package archive

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/klauspost/compress/zstd"

	"kvs/node/api"
)

// Format is the number of the format.
const Format = 1

var magic = [8]byte{'k', 'v', 's', 'e', 'x', 'p', 0, Format}

// The kinds of blocks.
const (
	kindHead   = 'H'
	kindValues = 'V'
	kindEnd    = 'E'
)

const (
	frameBytes = 13
	// blockBytes is how much a block of values holds before it is written; a larger value has a block of its own.
	blockBytes = 1 << 20
	// contentBytesMax bounds the unpacked content of a block: one value of 8 MiB as JSON fits, whatever it holds.
	contentBytesMax = 64 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Head says what an archive holds, and of what.
type Head struct {
	Format    int       `json:"format"`
	Cluster   string    `json:"cluster"`
	Founding  string    `json:"founding"` // of the cluster, as /voters/ shows it.
	Node      string    `json:"node"`     // that was asked.
	Directory string    `json:"directory"`
	Begun     time.Time `json:"begun"`
	State     *State    `json:"state,omitempty"` // of a backup; nil: an export.
}

// State is what a backup keeps of a cluster besides its values.
type State struct {
	StrongPrefixes []string    `json:"strong_prefixes"`
	Voters         []string    `json:"voters"`           // names.
	Tokens         []api.Token `json:"tokens,omitempty"` // with the hashes of their secrets.
}

// End says how much an archive holds.
type End struct {
	Values int       `json:"values"`
	Bytes  int64     `json:"bytes"` // of the values.
	Ended  time.Time `json:"ended"`
	SHA256 string    `json:"sha256"`
}

// encoder and decoder are safe for concurrent use in the way they are used here.
var (
	encoder = must(zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1)))
	decoder = must(zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(contentBytesMax)))
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(fmt.Sprintf("archive: options of zstd: %v", err))
	}
	return v
}

// pack is a block as it is stored.
func pack(kind byte, content []byte) []byte {
	b := make([]byte, frameBytes, frameBytes+len(content)/2)
	b = encoder.EncodeAll(content, b)
	b[0] = kind
	binary.LittleEndian.PutUint32(b[1:], uint32(len(b)-frameBytes))
	binary.LittleEndian.PutUint32(b[5:], uint32(len(content)))
	sum := crc32.Update(crc32.Checksum(b[:9], castagnoli), castagnoli, b[frameBytes:])
	binary.LittleEndian.PutUint32(b[9:], sum)
	return b
}

func marshal(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	return append(b, '\n'), err
}
