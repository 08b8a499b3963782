// Package voting is a cluster's configuration as a value: its voters and strong prefixes, with its rules and its
// encoding.
//
// It is no machine: node/configuration and node/recovery.go make, spread and apply configurations. It reads a store,
// but writes none. Begin with Config.
package voting
