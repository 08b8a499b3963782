// Package voting is the value that says who decides: a cluster's configuration, with its rules and its encoding.
//
// It is no machine: how configurations come about, spread and are put in force is told in node/configuration, and
// node/recovery.go. It reads a store, and writes none. Begin with Config.
package voting
