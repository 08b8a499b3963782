package raft

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// skipped are the commands of the README that this test leaves out, by how they begin, and why.
var skipped = map[string]string{
	"make -C sim/examples/raft mutants": "a quarter of an hour: each of the bugs is built",
	"make -C sim/examples/raft test":    "it is what runs this test",
}

var commandBlock = regexp.MustCompile("(?ms)^```sh\n(.*?)^```")

// Every command of the README ends well. Of long ranges of seeds the first three are run.
func TestREADME(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	met, ran := map[string]bool{}, 0
	bin := filepath.Join(t.TempDir(), "raftsim")
	for _, block := range commandBlock.FindAllStringSubmatch(string(text), -1) {
		for line := range strings.Lines(block[1]) {
			command, _, _ := strings.Cut(strings.TrimSpace(line), "#")
			if command = strings.TrimSpace(command); skipped[command] != "" {
				met[command] = true
				continue
			}
			ran++
			command = strings.ReplaceAll(command, "SEEDS=1..500", "SEEDS=1..3")
			if strings.Contains(command, " soak ") && !strings.Contains(command, "SEEDS=") {
				command += " SEEDS=1..3"
			}
			shell := exec.Command("sh", "-c", command+" BIN="+bin)
			shell.Dir = filepath.Join("..", "..", "..")
			if out, err := shell.CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", command, err, out)
			}
		}
	}
	if ran < 5 {
		t.Errorf("only %d commands were found", ran)
	}
	for command := range skipped {
		if !met[command] {
			t.Errorf("the README does not say %q any more: take it off the table", command)
		}
	}
}
