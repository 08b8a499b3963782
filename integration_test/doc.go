// Package integration_test has the tests that need the real world: clusters of the real program in Docker containers,
// and the daemon from a shell (integration_test.sh). It is not for logic that the simulator can judge. Begin with
// docker_test.go.
package integration_test
