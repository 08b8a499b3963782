package docker

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

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
		if err := copyFile(from, filepath.Join(dir, to)); err != nil {
			return err
		}
	}
	return build(client, name, dir)
}

// BuildProgramImage builds an image that has a program of this machine, and the libraries that it is linked with, at
// the paths that they have here, and nothing else. Dir is an empty folder that becomes the context.
func BuildProgramImage(name, program, dir string) error {
	client, err := connect()
	if err != nil {
		return err
	}
	files, err := libraries(program)
	if err != nil {
		return err
	}
	for _, f := range append(files, program) {
		to := filepath.Join(dir, "root", f)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := copyFile(f, to); err != nil {
			return err
		}
	}
	dockerfile := programDockerfile(os.Getenv("LD_LIBRARY_PATH"))
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(dockerfile), 0o644); err != nil {
		return err
	}
	return build(client, name, dir)
}

// programDockerfile is the recipe of an image of a program. In it the loader looks for libraries where ldd has found
// them here, by LD_LIBRARY_PATH, when that is set.
func programDockerfile(libraryPath string) string {
	text := "FROM scratch\nCOPY root/ /\n"
	if libraryPath != "" {
		text += fmt.Sprintf("ENV LD_LIBRARY_PATH=%q\n", libraryPath)
	}
	return text
}

var library = regexp.MustCompile(`(?m)(?:=> |^\s+)(/\S+) \(0x`)

// libraries are the files that a program is linked with, the loader among them; none for a static one. The image has no
// links, so that a file which is reached by two names is there twice.
func libraries(program string) ([]string, error) {
	out, err := exec.Command("ldd", program).CombinedOutput()
	static := strings.Contains(string(out), "not a dynamic executable") ||
		strings.Contains(string(out), "statically linked")
	switch {
	case static:
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("ldd %s: %w: %s; an image needs the libraries of the program", program, err, out)
	case strings.Contains(string(out), "not found"):
		return nil, fmt.Errorf("ldd %s: a library is missing; install it: %s", program, out)
	}
	var files []string
	for _, m := range library.FindAllStringSubmatch(string(out), -1) {
		files = append(files, m[1])
	}
	return files, nil
}

func copyFile(from, to string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, content, 0o755)
}

// build builds the image of a folder.
func build(client *dc.Client, name, dir string) error {
	making.RLock()
	defer making.RUnlock()
	var log bytes.Buffer
	err := client.BuildImage(dc.BuildImageOptions{
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
