// Package schema is the one list of the keys of a node's store, and the format of the records that a node keeps about
// itself. Checkers and tools that read a store from outside use it too. It depends on no node. Begin with the prefixes.
package schema

import (
	"encoding/binary"
	"fmt"

	"kvs/node/codec"
)

// Store keys begin with one of these. Where a path follows, it is stored as it is.
const (
	PrefixMeta      = "m/" // records about the node itself: the keys below.
	PrefixIndex     = "h/" // the versions of all records by their hash.
	PrefixRecord    = "r/" // + path: the slot of the path.
	PrefixConflict  = "c/" // conflicts and their losers, for a while.
	PrefixTombstone = "g/" // + path: there may be a tombstone under the path.
	PrefixExpiry    = "x/" // + path: the value under the path expires.
	PrefixChange    = "w/" // + number: an entry of the log of changes, see node/changelog.
)

// The records that a node keeps about itself. Each value is a format byte, 1, the fields, and a CRC-32C over the key
// and everything before. Integers are little-endian. An unknown format is refused: the data is of a newer kvs.
//
//	m/identity  id u64, born u64, cluster string     written once
//	m/boot      boots u64, clock bound u64           at each start and whenever the clock needs a higher bound
//	m/run       boots u64, announced u64             at each start, and before a run is announced
//	m/promises  see node/step/promises.go            at each start, and when rounds need a higher bound
//	m/uptime    see node/expiry                      while values expire
//	m/older     run u64                              another member has told that the data folder is an older copy
//	m/mode      see node/modes                       while the operator wants the node to be read-only
//	m/stamps    see node/tombstones                  when tombstones are dropped
//	m/changes   log u64, run u64, places u32         see node/changelog
//	m/config    see node/voting                      the configuration in force
//	m/members   see node/membership/book_codec.go    the members to dial after a restart, and those gone for good
const (
	KeyIdentity  = PrefixMeta + "identity"
	KeyBoot      = PrefixMeta + "boot"
	KeyRun       = PrefixMeta + "run"
	KeyMembers   = PrefixMeta + "members"
	KeyMode      = PrefixMeta + "mode"
	KeyUptime    = PrefixMeta + "uptime"
	KeyStamps    = PrefixMeta + "stamps"
	KeyBootstrap = PrefixMeta + "bootstrap" // progress of a newcomer; absent: it is none.
	KeyConfig    = PrefixMeta + "config"
	KeyPromises  = PrefixMeta + "promises"
	KeyPassed    = PrefixMeta + "passed" // the last epoch with which this voter has caught up.
	KeyOlder     = PrefixMeta + "older"  // this data folder is an older copy: the run that others remember.
	KeyWord      = PrefixMeta + "word"   // to which founder this member has given its word.
	KeyChanges   = PrefixMeta + "changes"
	KeyLost      = PrefixMeta + "lost" // this member replaces one whose store lost data: see node/lost.go.

	KeyConfigVotePrefix = PrefixMeta + "vote/" // + epoch: this voter's slot of the register of the next configuration.
	KeyConflictClock    = PrefixConflict       // no path is empty, so no entry has this key.

	Format = 1
)

// ConfigPathPrefix begins the paths of the registers that decide on configurations. No client can name such a path.
const ConfigPathPrefix = "\x00config/"

// ConfigPath names the register in which the voters of an epoch decide on the next configuration.
func ConfigPath(epoch uint64) string { return fmt.Sprintf("%s%d", ConfigPathPrefix, epoch) }

func IsConfigPath(path string) bool { return len(path) > 0 && path[0] == 0 }

// RecordKey is the key of a path's slot. The slot of a configuration's register has a key of its own: it is not
// replicated.
func RecordKey(path string) string {
	if IsConfigPath(path) {
		return KeyConfigVotePrefix + path[len(ConfigPathPrefix):]
	}
	return PrefixRecord + path
}

// Seal appends the checksum to the fields of a record under key.
func Seal(key string, b []byte) []byte {
	return binary.LittleEndian.AppendUint32(b, codec.Sum(key, b))
}

// Open checks a record of the first format, and returns a reader of its fields.
func Open(key string, b []byte) (*codec.Reader, error) {
	r, _, err := OpenUpTo(key, b, Format)
	return r, err
}

// OpenUpTo is Open for a record that has had several formats.
func OpenUpTo(key string, b []byte, newest byte) (r *codec.Reader, format byte, err error) {
	if len(b) < 5 {
		return nil, 0, fmt.Errorf("%s: %d bytes: %w", key, len(b), codec.ErrCorrupt)
	}
	body, sum := b[:len(b)-4], binary.LittleEndian.Uint32(b[len(b)-4:])
	if codec.Sum(key, body) != sum {
		return nil, 0, fmt.Errorf("%s: checksum does not match: %w", key, codec.ErrCorrupt)
	}
	if body[0] < Format || body[0] > newest {
		return nil, 0, fmt.Errorf("%s: format %d is unknown to this version of kvs; start the newer version that "+
			"wrote this data", key, body[0])
	}
	return codec.Read(body[1:]), body[0], nil
}

// BootstrapKey is another name of KeyBootstrap, for tools that read a store from outside.
const BootstrapKey = KeyBootstrap
