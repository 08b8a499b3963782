package host_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"kvs/chaos/ports"
	"kvs/node"
	"kvs/node/host"
	"kvs/node/host/config"
)

// A node of its own: start, write, read, stop.
func ExampleStart() {
	dir, err := os.MkdirTemp("", "kvs-example-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	cfg := config.Default()
	cfg.Listen = unused()
	cfg.Disk.LowWatermark = 32 << 20
	cfg.Resolve(filepath.Join(dir, "example.yaml"))

	ctx := context.Background()
	h, err := host.Start(ctx, host.Options{Config: &cfg, Logger: slog.New(slog.DiscardHandler), Clock: host.RealClock(),
		Version: "example"})
	if err != nil {
		fmt.Println(err)
		return
	}
	resp, err := h.Do(ctx, &node.Request{Op: node.OpPut, Level: node.Eventual, Path: "greetings/hello",
		Value: []byte("hello")})
	fmt.Println(resp.Code, err) // durable by now.
	rec, err := h.View().Get("greetings/hello")
	fmt.Println(string(rec.Value), err)
	fmt.Println(h.Stop(ctx))
	// Output:
	// created <nil>
	// hello <nil>
	// <nil>
}

// unused returns an address that nobody listens on.
func unused() string {
	port, err := ports.Free(1)
	if err != nil {
		return "127.0.0.1:7001"
	}
	return fmt.Sprintf("127.0.0.1:%d", port)
}
