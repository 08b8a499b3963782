package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
)

// Render returns the file of c, with the description of each key above it.
func Render(c Config) []byte {
	var b bytes.Buffer
	comment(&b, "", fileHeader)
	render(&b, reflect.ValueOf(&c).Elem(), "", "")
	return b.Bytes()
}

func render(b *bytes.Buffer, section reflect.Value, prefix, indent string) {
	for i, f := range fieldsOf(section, prefix) {
		if indent == "" || i > 0 {
			b.WriteByte('\n')
		}
		comment(b, indent, docOf(f.key))
		if f.section() {
			fmt.Fprintf(b, "%s%s:\n", indent, f.name)
			render(b, f.value, f.key+".", indent+"  ")
			continue
		}
		fmt.Fprintf(b, "%s%s: %s\n", indent, f.name, f.text())
	}
}

func comment(b *bytes.Buffer, indent, text string) {
	for line := range strings.Lines(text) {
		fmt.Fprintf(b, "%s# %s\n", indent, strings.TrimSuffix(line, "\n"))
	}
}

// Write puts c into the file at path, with the descriptions as comments: whole, or not at all. The folder is made when
// it is missing. What the file held before is replaced.
func Write(path string, c Config) (err error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("write configuration %s: %w; make its folder, or give another path", path, err)
	}
	tmp, err := os.CreateTemp(dir, "."+filepath.Base(path)+"-*")
	if err != nil {
		return fmt.Errorf("write configuration %s: %w; check that its folder may be written to", path, err)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("write configuration %s: %w", path, errors.Join(err, tmp.Close(), os.Remove(tmp.Name())))
		}
	}()
	if _, err := tmp.Write(Render(c)); err != nil {
		return err
	}
	if err := tmp.Chmod(0o644); err != nil {
		return err
	}
	if err := tmp.Sync(); err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	return tmp.Close()
}

// Load reads the file at path. When there is none it writes one with the defaults first; created is true then.
func Load(path string) (c *Config, created bool, err error) {
	c, err = Read(path)
	if !errors.Is(err, os.ErrNotExist) {
		return c, false, err
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, false, fmt.Errorf("configuration: %w", err)
	}
	if err := Write(path, Default()); err != nil {
		return nil, false, err
	}
	c, err = Read(path)
	return c, true, err
}

// Read reads the file at path. An error that wraps os.ErrNotExist: there is none.
func Read(path string) (*Config, error) {
	path, content, err := contentOf(path)
	if err != nil {
		return nil, err
	}
	return Parse(path, content)
}

// contentOf returns the absolute path of the file and its content.
func contentOf(path string) (absolute string, content []byte, err error) {
	if absolute, err = filepath.Abs(path); err != nil {
		return "", nil, fmt.Errorf("configuration: %w", err)
	}
	if content, err = readFile(absolute); err != nil {
		return "", nil, fmt.Errorf("read configuration: %w; give the path of a file that may be read", err)
	}
	return absolute, content, nil
}

// readFile reads at most one byte more than a configuration may have.
func readFile(path string) (content []byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return io.ReadAll(io.LimitReader(f, fileBytesMax+1))
}
