// Package access decides who may do what: tokens, the rules that they carry, and the table of all tokens of a cluster.
//
// It is arithmetic on values: it reads no file and no clock but the one it is given, and does not know HTTP. Where the
// table is kept (a register of the cluster) and how a token arrives is the business of others.
//
// # Rules
//
// A rule names a prefix, which is a path and everything below it, and the rights that it allows or denies there. For
// each right the rule with the longest prefix that mentions the right decides; of two with the same prefix the one that
// denies. What no rule mentions is denied.
//
// # Tokens
//
// A token is the text kvs1.ID.SECRET, where SECRET is 256 random bits. The table holds the SHA-256 of the secret alone:
// a secret that cannot be guessed needs no slower hash. Secrets are compared in constant time.
//
// Begin with Rules in rules.go; token.go holds tokens, table.go the table and its format, rates.go how many requests a
// token may make.
package access
