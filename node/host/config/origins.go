package config

import (
	"fmt"
	"net/url"
	"slices"
)

// checkOrigins refuses what no browser sends as its origin (RFC 6454): a scheme and a host, perhaps with a port.
func checkOrigins(origins []string) error {
	for _, o := range origins {
		if o == "*" {
			continue
		}
		u, err := url.Parse(o)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Scheme+"://"+u.Host != o {
			return fmt.Errorf("%q is no origin: write https://app.example.org, without a slash at its end", o)
		}
	}
	if slices.Contains(origins, "*") && len(origins) > 1 {
		return fmt.Errorf("* is every origin: omit the others")
	}
	return nil
}
