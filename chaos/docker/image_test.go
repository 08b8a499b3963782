package docker

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A program whose libraries are found by LD_LIBRARY_PATH finds them in its image.
func TestImageHasTheLibraryPath(t *testing.T) {
	require.Equal(t, "FROM scratch\nCOPY root/ /\n", programDockerfile(""))
	require.Equal(t, "FROM scratch\nCOPY root/ /\nENV LD_LIBRARY_PATH=\"/opt/a:/opt/b\"\n",
		programDockerfile("/opt/a:/opt/b"))
}
