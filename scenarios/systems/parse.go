package systems

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"kvs/scenarios/live/driver"
	"kvs/scenarios/live/driver/consul"
	"kvs/scenarios/live/driver/etcd"
	"kvs/scenarios/live/driver/kvs"
	"kvs/scenarios/live/driver/nats"
	"kvs/scenarios/live/driver/redis"
	"kvs/scenarios/live/driver/rest"
)

// failoverRedis is the one kind of failover that a file may ask for.
const failoverRedis = "redis"

// common are the keys of a file, all but the options of its driver.
type common struct {
	Version     int               `yaml:"version"`
	Name        string            `yaml:"name"`
	About       string            `yaml:"about"`
	Driver      string            `yaml:"driver"`
	Program     string            `yaml:"program"`
	Package     string            `yaml:"package"`
	VersionArgs []string          `yaml:"version-args"`
	Ports       []string          `yaml:"ports"`
	ClientPort  string            `yaml:"client-port"`
	Command     []string          `yaml:"command"`
	Env         map[string]string `yaml:"env"`
	Files       map[string]string `yaml:"files"`
	Ready       struct {
		HTTP   string        `yaml:"http"`
		Within time.Duration `yaml:"within"`
	} `yaml:"ready"`
	Promises []string `yaml:"promises"`
	Failover string   `yaml:"failover"`
}

// file is a file whose driver has the options O.
type file[O any] struct {
	common  `yaml:",inline"`
	Options O `yaml:"options"`
}

// drivers make a driver of the text of a file, by name.
var drivers = map[string]func(text []byte) (common, driver.Driver, error){
	"consul": with(consul.New), "etcd": with(etcd.New), "http": with(rest.New), "kvs": with(kvs.New),
	"nats": with(nats.New), "redis": with(redis.New),
}

func with[O any](open func(O) (driver.Driver, error)) func([]byte) (common, driver.Driver, error) {
	return func(text []byte) (common, driver.Driver, error) {
		var f file[O]
		if err := decode(text, &f, true); err != nil {
			return f.common, nil, err
		}
		d, err := open(f.Options)
		if err != nil {
			err = fmt.Errorf("options: %w", err)
		}
		return f.common, d, err
	}
}

// Parse reads the text of a file. Options, each "name=value", replace those of the text. Unknown keys are errors, with
// their line.
func Parse(text []byte, options []string) (*System, error) {
	var head common
	if err := decode(text, &head, false); err != nil {
		return nil, err
	}
	read, known := drivers[head.Driver]
	switch {
	case head.Version != version:
		return nil, fmt.Errorf("version: %d: this kvsim reads version %d; begin the file with `version: %d`",
			head.Version, version, version)
	case !known:
		return nil, fmt.Errorf("driver: %q: use one of %s", head.Driver,
			strings.Join(slices.Sorted(maps.Keys(drivers)), ", "))
	}
	f, d, err := read(text) // as it stands, for the numbers of its lines.
	if err == nil && len(options) > 0 {
		if text, err = replaced(text, options); err == nil {
			f, d, err = read(text)
		}
		err = ofOptions(err)
	}
	if err != nil {
		return nil, err
	}
	s := &System{
		Name: f.Name, About: f.About, Driver: d, Options: strings.Join(options, " "), Program: f.Program,
		Package: f.Package, VersionArgs: f.VersionArgs, Promises: f.Promises, ReadyPath: f.Ready.HTTP,
		ReadyWithin: f.Ready.Within, Failover: f.Failover, ports: f.Ports,
	}
	if s.Failover != "" && f.Driver != s.Failover {
		return nil, fmt.Errorf("failover: %s is for the driver %s", s.Failover, s.Failover)
	}
	if err := s.compile(&f); err != nil {
		return nil, err
	}
	return s, s.check(f.ClientPort)
}

// compile compiles the templates.
func (s *System) compile(f *common) error {
	for i, text := range f.Command {
		t, err := compile(text)
		if err != nil {
			return fmt.Errorf("command: argument %d: %w", i+1, err)
		}
		s.command = append(s.command, t)
	}
	for _, part := range []struct {
		name string
		from map[string]string
		to   *[]namedTemplate
	}{{"env", f.Env, &s.env}, {"files", f.Files, &s.filesText}} {
		for _, name := range slices.Sorted(maps.Keys(part.from)) {
			t, err := compile(part.from[name])
			if err != nil {
				return fmt.Errorf("%s: %s: %w", part.name, name, err)
			}
			*part.to = append(*part.to, namedTemplate{name, t})
		}
	}
	return nil
}

var unknownKey = regexp.MustCompile(`field (\S+) not found in type \S+`)

// decode reads YAML. With strict set, a key that is not known is an error.
func decode(text []byte, to any, strict bool) error {
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(strict)
	err := d.Decode(to)
	var several *yaml.TypeError
	switch {
	case errors.Is(err, io.EOF):
		return errors.New("the file is empty")
	case errors.As(err, &several):
		lines := strings.Join(several.Errors, "; ")
		return errors.New(unknownKey.ReplaceAllString(lines, "there is no key $1 here"))
	case err != nil:
		return err
	}
	if d.Decode(&yaml.Node{}) != io.EOF {
		return errors.New("a file has one document: take out what follows the line ---")
	}
	return nil
}

var lineNumber = regexp.MustCompile(`^line \d+: `)

// ofOptions is an error of what the options made of a text: its lines are not those of the file.
func ofOptions(err error) error {
	if err == nil || !lineNumber.MatchString(err.Error()) {
		return err
	}
	return fmt.Errorf("options: %s", lineNumber.ReplaceAllString(err.Error(), ""))
}

// replaced sets options of the driver in the text of a file.
func replaced(text []byte, options []string) ([]byte, error) {
	var document map[string]any
	if err := decode(text, &document, false); err != nil {
		return nil, err
	}
	set, _ := document["options"].(map[string]any)
	if set == nil {
		set = map[string]any{}
	}
	for _, o := range options {
		name, value, ok := strings.Cut(o, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("option %q: write name=value", o)
		}
		set[name] = value
	}
	document["options"] = set
	return yaml.Marshal(document)
}
