package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kvs/chaos"
	"kvs/scenarios/live"
	"kvs/scenarios/live/driver"
	"kvs/scenarios/live/driver/redis"
	"kvs/scenarios/systems"
	"kvs/sim/scenario"
	"kvs/sim/simcmd"
)

// systemOptions are another store than kvs.
type systemOptions struct {
	name, program string
	set           []string

	loaded *systems.System // nil: kvs, with all its promises.
	path   string          // of the program.
}

func (o *systemOptions) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.name, "system", "",
		"another store: the name of a shipped system (see kvsim systems), or the path of a file")
	f.StringArrayVar(&o.set, "set", nil, "an option of the system's driver, name=value, in place of its file's")
	f.StringVar(&o.program, "program", "", "the program of the system's nodes, in place of its file's")
}

// chooseSystem loads the system and finds its program.
func (o *liveOptions) chooseSystem() (err error) {
	s := &o.system
	switch {
	case s.name == "" && (s.program != "" || len(s.set) > 0):
		return errors.New("--set and --program are for another store: name it with --system")
	case s.name == "":
		return nil
	case o.secure:
		return errors.New("--secure is for kvs alone: leave it out, or --system")
	case isEndpoints(o.target):
		return errors.New("--system starts its nodes: choose --target process or docker")
	}
	if s.loaded, err = systems.Load(s.name, s.set); err != nil {
		return err
	}
	s.path, err = s.find()
	return err
}

// find finds the program: a path, or a name to look up.
func (o *systemOptions) find() (string, error) {
	program := o.program
	if program == "" {
		program = o.loaded.Program
	}
	path, err := exec.LookPath(program)
	if err == nil {
		path, err = filepath.Abs(path)
	}
	switch {
	case err == nil:
		return path, nil
	case o.loaded.Package != "" && o.program == "":
		return "", fmt.Errorf("system %s: %w; install it (apt-get install %s), or name it with --program",
			o.loaded.Name, err, o.loaded.Package)
	}
	return "", fmt.Errorf("system %s: %w; name the program with --program", o.loaded.Name, err)
}

// store is what a target starts; nil: kvs.
func (o *systemOptions) store() *chaos.Store {
	if o.loaded == nil {
		return nil
	}
	return o.loaded.Store(o.path)
}

// refuse returns why the nodes of another store cannot have a drawn scenario; nil: they can.
func (o *systemOptions) refuse(s scenario.Scenario) error {
	if o.loaded == nil {
		return nil
	}
	if why := live.OnlyKVS(&s); why != "" {
		return fmt.Errorf("scenario %q: %s", s.Name, why)
	}
	for _, e := range s.Plan.Events {
		if !o.store().Runs(e.Kind) {
			return fmt.Errorf("scenario %q: `%s`: of another store there is no %s; choose another scenario or take it "+
				"out", s.Name, e, e.Kind)
		}
	}
	return nil
}

// versionMax bounds how long a program may take to print its version.
const versionMax = 10 * time.Second

// version is the store and what its program says of itself, for the history; empty: kvs, whose nodes tell it.
func (o *systemOptions) version(ctx context.Context) string {
	if o.loaded == nil {
		return ""
	}
	out := o.loaded.Name
	if o.loaded.Options != "" {
		out += " " + o.loaded.Options
	}
	if len(o.loaded.VersionArgs) == 0 {
		return out
	}
	ctx, cancel := context.WithTimeout(ctx, versionMax)
	defer cancel()
	text, err := exec.CommandContext(ctx, o.path, o.loaded.VersionArgs...).Output()
	if line, _, _ := strings.Cut(string(text), "\n"); err == nil && line != "" {
		out += ": " + strings.TrimSpace(line)
	}
	return out
}

// failoverAfter is how long a primary is gone before it is replaced.
const failoverAfter = time.Second

// judged is how the store is used and judged; nil: as kvs.
func (o *systemOptions) judged(t *target, progress func(string)) *live.Store {
	if o.loaded == nil {
		return nil
	}
	s := &live.Store{Driver: o.loaded.Driver, ReadyWithin: o.loaded.ReadyWithin}
	for _, p := range o.loaded.Promises {
		s.Promises = append(s.Promises, scenario.Promise(p))
	}
	if o.loaded.ReadyPath != "" {
		s.Ready = func(ctx context.Context) error { return allReady(ctx, t.Endpoints(), o.loaded.ReadyPath) }
	}
	if o.loaded.Failover != "" {
		started := t.Target.(interface { // both targets that start nodes are.
			Fronts() []string
			Reaches(from, to int) bool
		})
		f := redis.Failover{Endpoints: t.Endpoints(), Fronts: started.Fronts(), Reaches: started.Reaches,
			Down: failoverAfter, Say: progress}
		s.Attend = f.Run
	}
	return s
}

// allReady returns nil if every node answers a path with 200.
func allReady(ctx context.Context, endpoints []string, path string) error {
	for i, e := range endpoints {
		w := driver.NewWeb(e)
		a, err := w.Do(ctx, http.MethodGet, path, nil, nil)
		w.Close()
		if err != nil {
			return fmt.Errorf("n%d: %w", i+1, err)
		}
		if a.Status != http.StatusOK {
			return fmt.Errorf("n%d answers %s with %s", i+1, path, a)
		}
	}
	return nil
}

func newSystemsCommand(io simcmd.IO) *cobra.Command {
	show := ""
	cmd := &cobra.Command{
		Use:   "systems",
		Short: "List the stores that live can start with --system",
		Long: `systems lists the files that are shipped: each says how the nodes of a store are started, when they are
ready and which driver speaks to them. With --show it prints one, to begin your own with.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if show != "" {
				text, err := systems.Text(show)
				if err != nil {
					return err
				}
				_, err = io.Out.Write(text)
				return err
			}
			for _, name := range systems.Names() {
				s, err := systems.Load(name, nil)
				if err != nil {
					return err
				}
				fmt.Fprintf(io.Out, "%-10s %s\n", name, s.About)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&show, "show", "", "print the file of this system")
	return cmd
}
