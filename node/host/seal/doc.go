// Package seal keeps strangers out of gossip: it encrypts and authenticates datagrams under keys that all members
// share, and refuses those that were seen before.
//
// It uses AES-256-GCM and HKDF-SHA256 of the standard library. It opens no socket and knows nothing about what a
// datagram holds; who sealed one is not known beyond having a key: members do not protect themselves from each other
// here.
//
// # Layout
//
// A sealed datagram, format 1; integers are little-endian:
//
//	0      0xe5, which begins no message of node/wire
//	1      format, 1
//	2-5    identifier of the key: the first bytes of its SHA-256
//	6-21   salt: drawn at random when a Sealer is made
//	22-29  number: one more for each datagram of the salt
//	30-    the content, encrypted
//	last 16 tag
//
// The key of a salt is HKDF-SHA256(key, salt, "kvs gossip 1"), so that no two Sealers, of one node or of several, ever
// share one, and the number is the nonce. The header and the name of the cluster are authenticated with the content. A
// format that is not known is refused: a newer version has to seal in the older format until all members know the newer
// one.
//
// Begin with Keyring in keyring.go, and Sealer in sealer.go; replay.go says what was seen before.
package seal
