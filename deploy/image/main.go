// Command image makes an OCI image of one program by a Dockerfile, without an engine, and the same bytes each time.
//
//	image --dockerfile Dockerfile --context DIR --arch amd64 --name kvs:0.1.0 --created 1764370800 --output kvs.tar
//
// The file is an image layout in a tar archive that docker load, podman load and skopeo read. The program is no
// builder: it knows the instructions of an image that is FROM scratch with files copied into it, and refuses all
// others. Begin with dockerfile.go; layout.go writes the archive.
package main

import (
	"flag"
	"fmt"
	"os"
	"time"
)

func main() {
	var o options
	var created int64
	flag.StringVar(&o.dockerfile, "dockerfile", "Dockerfile", "the instructions")
	flag.StringVar(&o.context, "context", ".", "folder with the files that are copied")
	flag.StringVar(&o.arch, "arch", "amd64", "architecture of the program, as Go names it")
	flag.StringVar(&o.name, "name", "", "name and tag of the image (required)")
	flag.Int64Var(&created, "created", 0, "when the image was made, in seconds since 1970")
	flag.StringVar(&o.output, "output", "", "the archive (required)")
	flag.Parse()
	o.created = time.Unix(created, 0).UTC()
	if err := o.run(); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

type options struct {
	dockerfile, context, arch, name, output string
	created                                 time.Time
}

func (o *options) run() error {
	if o.name == "" || o.output == "" || flag.NArg() > 0 {
		return fmt.Errorf("--name and --output are required, and there are no arguments")
	}
	text, err := os.ReadFile(o.dockerfile)
	if err != nil {
		return err
	}
	image, err := parse(string(text))
	if err != nil {
		return fmt.Errorf("%s: %w", o.dockerfile, err)
	}
	archive, err := image.archive(o)
	if err != nil {
		return err
	}
	return os.WriteFile(o.output, archive, 0o644)
}
