package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const dockerfile = "../../Dockerfile"

// made builds an image by kvs' own Dockerfile around a program that prints its arguments. It returns the names of the
// image and of the archive.
func made(t *testing.T) (name, archive string) {
	t.Helper()
	dir := t.TempDir()
	source := filepath.Join(dir, "main.go")
	require.NoError(t, os.WriteFile(source, []byte(`package main; import ("fmt"; "os"); func main() {
		fmt.Println(os.Args[1:], os.Getenv("HOME")) }`), 0o600))
	build := exec.Command("go", "build", "-trimpath", "-o", filepath.Join(dir, "kvs"), source)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))
	name = fmt.Sprintf("kvs-image-test:%d", os.Getpid())
	o := options{dockerfile: dockerfile, context: dir, arch: "amd64", name: name,
		created: time.Unix(1_700_000_000, 0).UTC(),
		output:  filepath.Join(dir, "image.tar")}
	require.NoError(t, o.run())
	first, err := os.ReadFile(o.output)
	require.NoError(t, err)
	require.NoError(t, os.Chtimes(filepath.Join(dir, "kvs"), time.Now(), time.Unix(1, 0)))
	require.NoError(t, o.run())
	second, err := os.ReadFile(o.output)
	require.NoError(t, err)
	require.True(t, bytes.Equal(first, second), "two runs, two archives")
	return name, o.output
}

// Each part is where the part that names it says, and has the digest that it says.
func TestLayoutIsWhole(t *testing.T) {
	name, archive := made(t)
	files := map[string][]byte{}
	f, err := os.Open(archive)
	require.NoError(t, err)
	defer f.Close()
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		files[h.Name], err = io.ReadAll(r)
		require.NoError(t, err)
	}
	var index struct{ Manifests []descriptor }
	require.NoError(t, json.Unmarshal(files["index.json"], &index))
	require.Equal(t, name, index.Manifests[0].Annotations[nameOfImage])
	part := func(d descriptor) []byte {
		content := files["blobs/sha256/"+d.Digest[len("sha256:"):]]
		require.Equal(t, d.Digest, digest(content))
		require.Equal(t, d.Size, len(content))
		return content
	}
	var manifest struct {
		Config descriptor
		Layers []descriptor
	}
	require.NoError(t, json.Unmarshal(part(index.Manifests[0]), &manifest))
	var run struct{ Config config }
	require.NoError(t, json.Unmarshal(part(manifest.Config), &run))
	require.Equal(t, config{Env: []string{"HOME=/home"}, Entrypoint: []string{"/kvs"},
		Cmd:     []string{"/etc/kvs/node.yaml"},
		Volumes: map[string]struct{}{"/data": {}}, StopSignal: "SIGTERM"}, run.Config)
	require.Len(t, manifest.Layers, 1)
	part(manifest.Layers[0])
}

// An engine takes the archive, and the image does what one of docker build does.
func TestAnEngineLoadsIt(t *testing.T) {
	if err := exec.Command("docker", "version").Run(); err != nil {
		require.NotEqual(t, "1", os.Getenv("KVS_REQUIRE_DOCKER"), "no Docker engine answers: %v", err)
		t.Skipf("NO DOCKER: %v", err)
	}
	name, archive := made(t)
	docker := func(args ...string) string {
		out, err := exec.Command("docker", args...).CombinedOutput()
		require.NoError(t, err, "docker %v\n%s", args, out)
		return string(out)
	}
	docker("load", "--input", archive)
	t.Cleanup(func() { docker("image", "rm", "--force", name) })
	require.Equal(t, "[/etc/kvs/node.yaml] /home\n", docker("run", "--rm", "--network", "none", name))
	require.Equal(t, "[version] /home\n", docker("run", "--rm", "--network", "none", name, "version"))
}

func TestWhatItDoesNotKnowIsRefused(t *testing.T) {
	for text, want := range map[string]string{
		"":                                "no COPY",
		"FROM debian":                     "begins with FROM scratch",
		"FROM scratch\nRUN x":             "line 2: RUN: this program does not know",
		"FROM scratch\nCOPY a b":          "line 2: COPY a b",
		"FROM scratch\nCOPY a/* /b":       "line 2: COPY a/* /b",
		"FROM scratch\nCMD kvs":           "want a list",
		"FROM scratch\nENV A B":           "want NAME=VALUE",
		"FROM scratch\nVOLUME data":       "want one absolute path",
		"FROM scratch\n# comment\nCMD []": "no COPY",
	} {
		_, err := parse(text)
		require.ErrorContains(t, err, want, text)
	}
}
