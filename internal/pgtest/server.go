package pgtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// Server is a server of one test's own, which may be restarted: the one that tests
// share must not.
type Server struct {
	script string
	env    []string
	url    string
}

// NewServer starts a server with .ci/postgres. It is stopped when the test ends.
func NewServer(tb testing.TB) *Server {
	tb.Helper()
	s := &Server{script: script(tb)}
	out, err := s.command("start").Output()
	require.NoError(tb, err, "%s", out)
	for line := range strings.Lines(string(out)) {
		name, value, found := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "=")
		require.True(tb, found, line)
		value = strings.Trim(value, "'")
		s.env = append(s.env, name+"="+value)
		if name == Variable {
			s.url = value
		}
	}
	tb.Cleanup(func() {
		out, err := s.command("stop").CombinedOutput()
		require.NoError(tb, err, "%s", out)
	})
	return s
}

// Config is how to connect to it. What a commit has answered to is on its disk.
func (s *Server) Config(tb testing.TB) *pgx.ConnConfig {
	tb.Helper()
	config, err := pgx.ParseConfig(s.url)
	require.NoError(tb, err)
	config.RuntimeParams["synchronous_commit"] = "on" // the script switches it off
	return config
}

// Restart stops the server at once, as if it had crashed, and starts it again on the
// same port.
func (s *Server) Restart() error {
	if out, err := s.command("restart").CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

func (s *Server) command(verb string) *exec.Cmd {
	cmd := exec.Command("bash", s.script, verb) //nolint:gosec,noctx // the project's script, which a cleanup calls too
	cmd.Env = append(os.Environ(), s.env...)
	return cmd
}

// script is where .ci/postgres is.
func script(tb testing.TB) string {
	tb.Helper()
	dir, err := os.Getwd()
	require.NoError(tb, err)
	for {
		path := filepath.Join(dir, ".ci", "postgres")
		if _, err := os.Stat(path); err == nil {
			return path
		}
		require.NotEqual(tb, dir, filepath.Dir(dir), "there is no .ci/postgres above the test's folder")
		dir = filepath.Dir(dir)
	}
}
