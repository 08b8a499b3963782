// Package daemon starts, stops and inspects kvs nodes that run in the background: PID files, logs, locks, and the
// recognition of stale PID files.
//
// It is not the node: it executes the kvs binary in its foreground form and watches the process from outside; the
// foreground form registers itself here. It is not a supervisor: it restarts nothing by itself.
//
// All files are in one home folder (~/.kvs, or $KVS_HOME), whatever the working directory:
//
//	pids/NAME-HASH.pid    the running process, written by itself   (pidfile.go)
//	logs/NAME-HASH.log    its stdout and stderr; NAME-HASH-TIME.log are older ones   (logfile.go)
//	locks/NAME-HASH.lock  held (flock) for as long as a process starts or runs; never removed   (lock.go)
//
// NAME is the configuration's file name without .yaml, HASH a short hash of its absolute path with symbolic links
// resolved, so that two configurations of the same name in different folders are two instances (instance.go).
//
// Processes, the clock, the launch of a child and the questions to a node are injected, so that every decision is
// tested without real processes. It needs Linux's /proc.
//
// Begin with daemon.go, then start.go and stop.go; judge.go decides whether a PID file is stale.
package daemon
