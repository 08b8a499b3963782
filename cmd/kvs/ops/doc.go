// Package ops has the commands with which a person looks after nodes: kvs config, doctor, debug and log-level.
//
// Begin with Commands in ops.go. doctor.go has the order of the checks, doctor_node.go those of one node,
// doctor_cluster.go those of what the members see of each other.
package ops
