// Command kvs runs nodes, in the foreground and in the background, and is a client of their REST API.
//
// It contains no logic of its own: nodes are node/host, background processes are node/daemon, requests are node/client.
// Every subcommand is one file: options, constructor, run function. stdout is the answer, stderr the commentary, and
// exit codes are listed only in exit.go.
//
// Begin with root.go, then run.go, which is the node in the foreground.
package main

import "os"

func main() { os.Exit(execute(newApp(), os.Args[1:])) }
