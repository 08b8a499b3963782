package profile

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
)

// Variables of the environment that stand for flags.
const (
	EndpointsVariable = "KVS_ENDPOINTS"
	NameVariable      = "KVS_PROFILE"
	CAVariable        = "KVS_CA"
	CertVariable      = "KVS_CERT"
	KeyVariable       = "KVS_KEY"
	TokenFileVariable = "KVS_TOKEN_FILE"

	homeVariable = "KVS_HOME" // the folder of the file with the profiles; else .kvs in the user's home.
)

// fileName is that of the file with the user's clusters.
const fileName = "config.yaml"

// Given is what a user has said about a cluster by flags: parts of a Profile, and the name of a profile for the other
// parts.
type Given struct {
	Name string // of the profile; empty: the variable's, or the current one.
	Profile
}

// Access is how to reach a cluster: its endpoints, the authority to trust, and the credentials to show.
type Access struct {
	Endpoints []string    // empty: not given.
	TLS       *tls.Config // nil: no TLS.
	Token     string
}

// Access puts together what flags, variables and profile say, in this order. getenv is os.Getenv.
func (g *Given) Access(getenv func(string) string) (Access, error) {
	endpoints := g.Endpoints
	if len(endpoints) == 0 {
		endpoints = Listed(getenv(EndpointsVariable))
	}
	p, err := g.chosen(getenv, len(endpoints) > 0)
	if err != nil {
		return Access{}, err
	}
	for _, f := range []struct {
		to              *string
		given, variable string
	}{
		{&p.CA, g.CA, CAVariable}, {&p.Cert, g.Cert, CertVariable}, {&p.Key, g.Key, KeyVariable},
		{&p.TokenFile, g.TokenFile, TokenFileVariable},
	} {
		if f.given != "" {
			*f.to = f.given
		} else if v := getenv(f.variable); v != "" {
			*f.to = v
		}
	}
	if len(endpoints) == 0 {
		endpoints = p.Endpoints
	}
	to := Access{Endpoints: endpoints}
	to.TLS, to.Token, err = p.Credentials()
	return to, err
}

// Listed are the parts of a list with commas.
func Listed(text string) (out []string) {
	for e := range strings.SplitSeq(text, ",") {
		if e = strings.TrimSpace(e); e != "" {
			out = append(out, e)
		}
	}
	return out
}

// chosen is the profile to use. The current profile is not used when endpoints are given: its token is for its own
// cluster.
func (g *Given) chosen(getenv func(string) string, elsewhere bool) (Profile, error) {
	name := g.Name
	if name == "" {
		name = getenv(NameVariable)
	}
	if name == "" && elsewhere {
		return Profile{}, nil
	}
	dir := getenv(homeVariable)
	if dir == "" {
		if getenv("HOME") == "" {
			return Profile{}, nil
		}
		dir = filepath.Join(getenv("HOME"), ".kvs")
	}
	path := filepath.Join(dir, fileName)
	f, err := Read(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && name == "":
		return Profile{}, nil
	case err != nil:
		return Profile{}, fmt.Errorf("profile: %w", err)
	}
	p, _, err := f.Find(name)
	if err != nil {
		return Profile{}, fmt.Errorf("%s: %w", path, err)
	}
	return p, nil
}
