// Package ops has the commands with which a person looks after nodes: kvs config.
//
// Begin with Commands. Each command is in a file of its own.
package ops
