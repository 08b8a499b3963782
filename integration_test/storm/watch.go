package storm

import (
	"bufio"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Usage is what a process uses.
type Usage struct {
	MemoryBytes int64 `json:"memory_bytes"` // resident, without files that are mapped.
	DiskBytes   int64 `json:"disk_bytes"`   // of its data folder.
	Goroutines  int64 `json:"goroutines"`
	Descriptors int64 `json:"descriptors"`
}

// bounds are what a node may use under all that a storm does to it.
var bounds = Usage{MemoryBytes: 768 << 20, DiskBytes: diskBytes, Goroutines: 3000, Descriptors: descriptorsMax}

// watch looks at the processes now and then.
type watch struct {
	dir       string   // of all nodes.
	endpoints []string // by node.
	quit      chan struct{}
	done      sync.WaitGroup
	once      sync.Once
	mu        sync.Mutex
	pids      []int // by node, as far as known; zero: it has none.
	peak      Usage
	problems  []string // bounds that were passed, each once.
}

func startWatch(s *storm) *watch {
	w := &watch{dir: s.o.Dir, endpoints: s.cluster.Endpoints(), quit: make(chan struct{})}
	w.done.Go(func() {
		tick := time.NewTicker(watchInterval)
		defer tick.Stop()
		for {
			select {
			case <-w.quit:
				return
			case <-tick.C:
				w.look()
			}
		}
	})
	return w
}

// follow tells which processes there are. A cluster is for one goroutine, and that is not this one.
func (w *watch) follow(pids []int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pids = pids
}

// stop returns the most that any process has used.
func (w *watch) stop() Usage {
	w.once.Do(func() { close(w.quit) })
	w.done.Wait()
	return w.peak
}

// look measures each process that runs.
func (w *watch) look() {
	w.mu.Lock()
	pids := w.pids
	w.mu.Unlock()
	for i, pid := range pids {
		if pid == 0 {
			continue
		}
		i++
		var u Usage
		u.MemoryBytes = memoryOf(pid)
		if d, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid)); err == nil {
			u.Descriptors = int64(len(d))
		}
		u.DiskBytes = diskOf(filepath.Join(w.dir, fmt.Sprintf("n%d", i), "data"))
		u.Goroutines = goroutinesOf(w.endpoints[i-1])
		w.hold(i, "memory", u.MemoryBytes, bounds.MemoryBytes, &w.peak.MemoryBytes)
		w.hold(i, "disk", u.DiskBytes, bounds.DiskBytes, &w.peak.DiskBytes)
		w.hold(i, "goroutines", u.Goroutines, bounds.Goroutines, &w.peak.Goroutines)
		w.hold(i, "descriptors", u.Descriptors, bounds.Descriptors, &w.peak.Descriptors)
	}
}

func (w *watch) hold(i int, what string, used, bound int64, peak *int64) {
	if used > bound && *peak <= bound {
		w.problems = append(w.problems, fmt.Sprintf("n%d used %d of %s, more than the bound of %d", i, used, what,
			bound))
	}
	*peak = max(*peak, used)
}

// memoryOf is the resident memory of a process that no file backs; zero: it is not known.
func memoryOf(pid int) int64 {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if rest, ok := strings.CutPrefix(lines.Text(), "RssAnon:"); ok {
			kib, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kib << 10
		}
	}
	return 0
}

// diskOf is what the files of a folder take up, without what a fault put there.
func diskOf(dir string) (sum int64) {
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "filler" {
			return nil // files come and go.
		}
		if info, err := d.Info(); err == nil {
			if st, ok := info.Sys().(*syscall.Stat_t); ok {
				sum += st.Blocks * 512
			}
		}
		return nil
	})
	return sum
}

var metricsClient = &http.Client{Timeout: time.Second}

// goroutinesOf asks a node; zero: it does not say.
func goroutinesOf(endpoint string) int64 {
	resp, err := metricsClient.Get("http://" + endpoint + "/metrics")
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if rest, ok := strings.CutPrefix(lines.Text(), "go_goroutines "); ok {
			n, _ := strconv.ParseFloat(rest, 64)
			return int64(n)
		}
	}
	return 0
}
