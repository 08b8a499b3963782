// Package access decides about rights: it has tokens, their rules, and the table of all tokens of a cluster.
//
// It is pure: it reads no file, takes the time as an argument, and does not use HTTP. Callers store the table (in a
// register of the cluster) and read tokens from requests.
//
// # Rules
//
// A rule names a prefix, which is a path and everything below it, and the rights that it allows or denies there. For
// each right the rule with the longest prefix that mentions the right decides; of two with the same prefix the one that
// denies. A right that no rule mentions is denied.
//
// # Tokens
//
// A token is the text kvs1.ID.SECRET, where SECRET is 256 random bits. The table holds the SHA-256 of the secret alone:
// a secret that cannot be guessed needs no slower hash. Secrets are compared in constant time.
//
// Begin with Rules in rules.go; token.go holds tokens, table.go the table and its format, rates.go how many requests a
// token may make.
package access
