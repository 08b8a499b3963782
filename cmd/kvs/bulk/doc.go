// Package bulk has the commands of kvs that move many values: batches, and what is done to everything below a
// directory.
//
// It knows neither flags of connections nor exit codes: an Env, which cmd/kvs makes, has both. Begin with Env in
// env.go; each command is a file.
package bulk
