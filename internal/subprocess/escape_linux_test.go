package subprocess

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/internal/childtest"
)

// Somebody who left the group and keeps the pipes open does not hold anybody up.
func TestProcessWhoseChildEscapes(t *testing.T) {
	childtest.NothingLeft(t)
	of := spec("daemon", "b")
	s := NewSession(of, Lines())
	assert.Equal(t, []string{"a"}, answers(t, s, "a"))
	pids := childtest.Alive(t)
	assert.Len(t, pids, 2)
	_, err := s.Do(t.Context(), []string{"b"}) // it ends
	require.ErrorIs(t, err, ErrAnswer)
	assert.Equal(t, []string{"c"}, answers(t, s, "c"))
	require.NoError(t, s.Finish(t.Context()))
	for _, pid := range childtest.Alive(t) { // the escaped, which are not the command's any more
		require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	}
	require.Eventually(t, func() bool { return len(childtest.Alive(t)) == 0 }, 10*time.Second, time.Millisecond)
}
