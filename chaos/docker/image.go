package docker

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	dc "github.com/ory/dockertest/v3/docker"
)

// BuildImage builds an image from a static binary of kvs and a Dockerfile. Dir is an empty folder that becomes the
// context: the engine is sent nothing but these two files.
func BuildImage(name, binary, dockerfile, dir string) error {
	client, err := connect()
	if err != nil {
		return err
	}
	for from, to := range map[string]string{binary: "kvs", dockerfile: "Dockerfile"} {
		content, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, to), content, 0o755); err != nil {
			return err
		}
	}
	making.RLock()
	defer making.RUnlock()
	var log bytes.Buffer
	err = client.BuildImage(dc.BuildImageOptions{
		Name: name, ContextDir: dir, Dockerfile: "Dockerfile", OutputStream: &log, RmTmpContainer: true,
		ForceRmTmpContainer: true,
		// makes it another image than that of another process.
		Labels: map[string]string{label: fmt.Sprintf("%d-image", os.Getpid())},
	})
	if err != nil {
		return fmt.Errorf("build image %s: %w\n%s", name, err, log.String())
	}
	return nil
}

// RemoveImage removes what BuildImage built.
func RemoveImage(name string) error {
	client, err := connect()
	if err != nil {
		return err
	}
	return client.RemoveImageExtended(name, dc.RemoveImageOptions{Force: true})
}
