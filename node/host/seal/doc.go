// Package seal protects gossip: it encrypts and authenticates datagrams with keys that all members share, and refuses
// replayed ones.
//
// It uses AES-256-GCM and HKDF-SHA256 of the standard library. It opens no socket and does not decode the content of
// datagrams. A valid seal proves only that the sender has a key, not which member it is: this does not protect members
// from each other.
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
// share one, and the number is the nonce. The header and the name of the cluster are authenticated with the content. An
// unknown format is refused: a newer version has to seal in the older format until all members know the newer one.
//
// Begin with Keyring in keyring.go, and Sealer in sealer.go; replay.go finds replayed messages.
package seal
