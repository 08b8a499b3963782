package main

import (
	"encoding/json"
	"fmt"
	"strings"
)

// image is what a Dockerfile says.
type image struct {
	files  []file
	config config
}

// file is one COPY.
type file struct{ from, to string }

// config is the part of an image that says how it is run. The names are those of the OCI image specification.
type config struct {
	Env        []string            `json:"Env,omitempty"`
	Entrypoint []string            `json:"Entrypoint,omitempty"`
	Cmd        []string            `json:"Cmd,omitempty"`
	Volumes    map[string]struct{} `json:"Volumes,omitempty"`
	StopSignal string              `json:"StopSignal,omitempty"`
}

// parse reads the instructions.
func parse(text string) (*image, error) {
	im, begun := &image{}, false
	for n, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		word, rest, _ := strings.Cut(line, " ")
		rest = strings.TrimSpace(rest)
		if !begun && line != "FROM scratch" {
			return nil, fmt.Errorf("line %d: %q: an image without an engine begins with FROM scratch", n+1, line)
		}
		if begun {
			if err := im.instruct(word, rest); err != nil {
				return nil, fmt.Errorf("line %d: %w", n+1, err)
			}
		}
		begun = true
	}
	if len(im.files) == 0 {
		return nil, fmt.Errorf("no COPY: the image would be empty")
	}
	return im, nil
}

func (im *image) instruct(word, rest string) error {
	switch word {
	case "COPY":
		from, to, _ := strings.Cut(rest, " ")
		if from == "" || strings.ContainsAny(from, "*?/") || !strings.HasPrefix(to, "/") || strings.Contains(to, " ") ||
			strings.HasSuffix(to, "/") {
			return fmt.Errorf("COPY %s: want one file of the context and its absolute path in the image", rest)
		}
		im.files = append(im.files, file{from, strings.TrimPrefix(to, "/")})
	case "ENV":
		if name, _, ok := strings.Cut(rest, "="); !ok || strings.ContainsAny(rest, " \"$") || name == "" {
			return fmt.Errorf("ENV %s: want NAME=VALUE without spaces, quotes and variables", rest)
		}
		im.config.Env = append(im.config.Env, rest)
	case "VOLUME":
		if !strings.HasPrefix(rest, "/") || strings.Contains(rest, " ") {
			return fmt.Errorf("VOLUME %s: want one absolute path", rest)
		}
		if im.config.Volumes == nil {
			im.config.Volumes = map[string]struct{}{}
		}
		im.config.Volumes[rest] = struct{}{}
	case "STOPSIGNAL":
		im.config.StopSignal = rest
	case "ENTRYPOINT":
		return list(word, rest, &im.config.Entrypoint)
	case "CMD":
		return list(word, rest, &im.config.Cmd)
	default:
		return fmt.Errorf("%s: this program does not know the instruction; build the image with docker build", word)
	}
	return nil
}

// list reads the form of an instruction that needs no shell.
func list(word, rest string, to *[]string) error {
	if err := json.Unmarshal([]byte(rest), to); err != nil {
		return fmt.Errorf(`%s %s: want a list such as ["/kvs"]: %w`, word, rest, err)
	}
	return nil
}
