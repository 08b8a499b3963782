// Package reference makes a page of documentation of a command line: every command with its help, its flags and its
// examples, in Markdown, from the commands themselves, so that the page always agrees with the help texts.
package reference

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// Page is the reference of a command and all below it. It ends with one line break.
func Page(root *cobra.Command) (string, error) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	root.DisableAutoGenTag = true
	var b strings.Builder
	fmt.Fprintf(&b, "# %s: the commands\n\nThis page is made from the help texts: `%s COMMAND --help` says "+
		"the same.\n\n", root.Name(), root.Name())
	if err := write(&b, root); err != nil {
		return "", err
	}
	return strings.TrimRight(b.String(), "\n") + "\n", nil
}

func write(b *strings.Builder, cmd *cobra.Command) error {
	if !cmd.IsAvailableCommand() && cmd.HasParent() || cmd.Name() == "completion" || cmd.Name() == "help" {
		return nil
	}
	var page bytes.Buffer
	if err := doc.GenMarkdownCustom(cmd, &page, anchor); err != nil {
		return err
	}
	text, _, _ := strings.Cut(page.String(), "### SEE ALSO")
	b.WriteString(strings.TrimRight(inherited.ReplaceAllString(text, ""), "\n") + "\n\n")
	for _, c := range cmd.Commands() {
		if err := write(b, c); err != nil {
			return err
		}
	}
	return nil
}

// inherited is the part about the flags of the parents when there is none but --help.
var inherited = regexp.MustCompile("(?s)### Options inherited from parent commands\n\n```\n```\n")

// anchor turns the name of a file into a link on the page.
func anchor(file string) string {
	return "#" + strings.ReplaceAll(strings.TrimSuffix(file, ".md"), "_", "-")
}
