package slack

import (
	"os"
	"runtime"
)

// AddProcessor lets one goroutine more run at a time than there are processors, unless the environment says how many
// may (GOMAXPROCS). A goroutine that waits for an fdatasync counts as one that runs until the thread of the package
// comment looks, which with a slack of a millisecond is most often after the fdatasync. So a node on two processors
// used one of them while it synced, and that is nearly always while it writes.
//
// It does not follow a limit of the container that changes while the node runs.
func AddProcessor() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
	}
}
