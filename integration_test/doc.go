// Package integration_test holds what only the real world knows: clusters of the real program in Docker containers, and
// the daemon's life by shell (integration_test.sh). It is not a place for logic that the simulator can judge. Begin
// with docker_test.go.
package integration_test
