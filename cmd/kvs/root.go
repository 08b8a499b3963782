package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"kvs/cmd/kvs/bulk"
	"kvs/cmd/kvs/ops"
	"kvs/cmd/kvs/watch"
	"kvs/cmd/version"
	"kvs/node/daemon"
)

const rootLong = `kvs is a clustered, hierarchical key-value store with a REST API.

  kvs init --nodes 3 --dir cluster      write configurations for a local cluster
  kvs start cluster/node1.yaml          run a node in the background
  kvs status                            show all nodes of this machine
  kvs put greetings/hello "hi there"    write a value
  kvs get greetings/hello               read it
  kvs cluster/node1.yaml                run a node in the foreground instead

Commands about data ask 127.0.0.1:7001, or the nodes that --endpoint or KVS_ENDPOINTS name.
PID files and logs of background nodes are in ~/.kvs, or in the folder that KVS_HOME names.
Exit codes are listed by: kvs help exit-codes`

func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "kvs [CONFIG.yaml]",
		Short: "A clustered, hierarchical key-value store",
		Long:  rootLong,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return unknownCommand(cmd, args[0])
			}
			return nil
		},
		Version: version.Read().String(),
		// A mistyped command is first taken for a configuration: see looksLikeConfig.
		SuggestionsMinimumDistance: 2,
		SilenceErrors:              true,
		SilenceUsage:               true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			if err := a.looksLikeConfig(cmd, args[0]); err != nil {
				return err
			}
			return a.runNode(cmd.Context(), args[0])
		},
		ValidArgsFunction: completeConfigs,
	}
	root.SetVersionTemplate(version.Read().Line("kvs"))
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError("%w; see %s --help", err, cmd.CommandPath())
	})
	root.AddGroup(&cobra.Group{ID: "node", Title: "Nodes:"}, &cobra.Group{ID: "data", Title: "Data:"})
	for _, c := range []*cobra.Command{newInit(a), newStart(a), newStop(a), newRestart(a), newStatus(a), newLogs(a),
		newLeave(a), newRecover(a), newCert(a)} {
		c.GroupID = "node"
		root.AddCommand(c)
	}
	for _, c := range append([]*cobra.Command{
		newGet(a), newPut(a), newDelete(a), newList(a), newMembers(a), newMode(a), newVoters(a), newPolicy(a),
		newConflicts(a), newKeyring(a), newToken(a),
		newBenchCommand(a), bulk.NewBatch(a.bulk()), bulk.NewRenew(a.bulk()), watch.New(a.bulk()),
		bulk.NewExport(a.bulk()), bulk.NewImport(a.bulk()), bulk.NewBackup(a.bulk()), bulk.NewRestore(a.bulk()),
	}, a.recipeCommands()...) {
		c.GroupID = "data"
		root.AddCommand(c)
	}
	for _, c := range ops.Commands(a.opsEnv()) {
		c.GroupID = "node"
		root.AddCommand(c)
	}
	root.AddCommand(newVersion(a), &cobra.Command{
		Use: "exit-codes", Short: "The exit codes of all commands", Long: "The exit codes of all commands:\n\n" +
			exitCodesText(),
		Args: usageArgs(cobra.NoArgs), RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	})
	return root
}

// refuseUnknownTopics makes `kvs help nope` and `kvs completion tcsh` the usage errors that they are: cobra's own
// commands answer both with a general help text and success. They write to the same output as root.
func refuseUnknownTopics(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		switch c.Name() {
		case "help":
			c.Args = func(_ *cobra.Command, args []string) error {
				if _, unknown, err := root.Find(args); err != nil || len(unknown) > 0 {
					return usageError("there is no command %q; see kvs --help", strings.Join(args, " "))
				}
				return nil
			}
		case "completion":
			c.Args = usageArgs(cobra.NoArgs)
			// cobra does not check the arguments of a command that cannot be run.
			c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
		}
	}
}

// usageArgs makes a wrong number of arguments a usage error.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usageError("%w; see %s --help", err, cmd.CommandPath())
		}
		return nil
	}
}

// looksLikeConfig keeps a mistyped command from creating a configuration of that name: a bare word has to be an
// existing configuration to be run.
func (a *app) looksLikeConfig(cmd *cobra.Command, arg string) error {
	if ext := filepath.Ext(arg); ext == ".yaml" || ext == ".yml" || strings.ContainsRune(arg, os.PathSeparator) {
		return nil
	}
	if _, found, err := a.resolve(arg); err == nil && found || errors.Is(err, daemon.ErrAmbiguous) {
		return nil // the user of the name reports that it is ambiguous.
	}
	return usageError("%q is neither a command nor a configuration that exists; %s", arg, suggestion(cmd, arg))
}

// unknownCommand is the error for a word that is followed by others, so that it can only be a command, but is none.
func unknownCommand(cmd *cobra.Command, word string) error {
	if strings.HasPrefix(word, "-") || word == "" {
		return usageError("too many arguments; see %s --help", cmd.CommandPath())
	}
	if ext := filepath.Ext(word); ext == ".yaml" || ext == ".yml" {
		return usageError("one node runs in the foreground; to run several in the background: kvs start %s ...", word)
	}
	return usageError("there is no command %q; %s", word, suggestion(cmd, word))
}

// suggestion proposes commands for a word that is no command.
func suggestion(cmd *cobra.Command, word string) string {
	if near := cmd.SuggestionsFor(word); word != "" && len(near) > 0 { // every command begins with the empty word.
		return "did you mean " + cmd.CommandPath() + " " + strings.Join(near, " or "+cmd.CommandPath()+" ") + "?"
	}
	return "see " + cmd.CommandPath() + " --help"
}

// notAFolder refuses an argument that names a folder, not a configuration: a new file beside the folder was hardly
// meant.
func (a *app) notAFolder(arg string) error {
	cwd, err := a.cwd()
	if err != nil {
		return err
	}
	path := arg
	if !filepath.IsAbs(path) {
		path = filepath.Join(cwd, arg)
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return usageError("%s is a folder, not a configuration; name a file, such as %s", arg,
			filepath.Join(arg, "node1.yaml"))
	}
	return nil
}

// resolve finds the configuration that arg names.
func (a *app) resolve(arg string) (daemon.Instance, bool, error) {
	cwd, err := a.cwd()
	if err != nil {
		return daemon.Instance{}, false, err
	}
	return daemon.Resolve(cwd, arg)
}

// completeNodes lets the shell complete the nodes that are known by their names, which work from any folder, and the
// configurations in this one; any other path as completeConfigs does.
func (a *app) completeNodes(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	var names []string
	if d, err := a.daemon(func(string) {}); err == nil {
		if known, err := d.Known(); err == nil {
			for _, inst := range known {
				names = append(names, inst.Name)
			}
		}
	}
	if len(names) == 0 {
		return completeConfigs(cmd, args, typed)
	}
	if cwd, err := a.cwd(); err == nil {
		for _, pattern := range []string{"*.yaml", "*.yml"} {
			files, _ := filepath.Glob(filepath.Join(cwd, pattern)) // the pattern is valid.
			for _, f := range files {
				names = append(names, filepath.Base(f))
			}
		}
	}
	slices.Sort(names)
	names = slices.DeleteFunc(slices.Compact(names), func(n string) bool {
		return !strings.HasPrefix(n, typed) || slices.Contains(args, n)
	})
	if len(names) == 0 {
		return completeConfigs(cmd, args, typed)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeConfigs lets the shell complete configuration files.
func completeConfigs(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return []string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt
}
