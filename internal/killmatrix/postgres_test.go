//go:build postgres

package killmatrix

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-go/penstock/internal/pgtest"
)

// beginPostgres is begin for a job into a schema of its own, through a proxy. What
// was written is read past the proxy.
func beginPostgres(t *testing.T, n int) (j job, proxy *pgtest.Proxy) {
	t.Helper()
	config := pgtest.Config(t)
	proxy = pgtest.NewProxy(t, config)
	j = begin(t, "postgres", n)
	j.URL, j.Past = pgtest.URL(proxy.Config()), pgtest.URL(config)
	return j, proxy
}

// killAtRound runs the job and kills it when a round is about to reach the server or,
// behind it, before its reply reaches the job.
func killAtRound(t *testing.T, j job, proxy *pgtest.Proxy, at int, behind bool) (done bool) {
	t.Helper()
	victim := make(chan *os.Process, 1)
	kill := func(r pgtest.Round) bool {
		if r.N == at {
			assert.NoError(t, (<-victim).Kill())
		}
		return r.N >= at // what it may have sent before it died
	}
	if behind {
		proxy.Hook(nil, kill)
	} else {
		proxy.Hook(kill, nil)
	}
	done, _, _ = doAs(t, j, how{started: func(p *os.Process) { victim <- p }})
	proxy.Hook(nil, nil)
	return done
}

// A job into PostgreSQL is killed at each of its statements, before the server has it
// and before the reply is back, and goes on with another chunk size and other workers.
func TestPostgresKilledAtEveryStatement(t *testing.T) {
	const n = 40
	for _, unordered := range []bool{false, true} {
		t.Run(fmt.Sprintf("unordered=%t", unordered), func(t *testing.T) {
			chance := seeded(t)
			j, proxy := beginPostgres(t, n)
			j.Unordered = unordered
			done, _ := do(t, j, 0)
			require.True(t, done)
			check(t, j, n)
			rounds := proxy.Count()
			require.Greater(t, rounds, 40)
			step := 1
			if !long() {
				step = 1 + rounds/6
			}
			for at := 1 + chance.IntN(step); at <= rounds; at += step {
				for _, behind := range []bool{false, true} {
					j, proxy := beginPostgres(t, n)
					j.Unordered = unordered
					done := killAtRound(t, j, proxy, at, behind)
					for again := 0; !done; again++ {
						require.Less(t, again, 20, "killed at round %d", at)
						j.Chunk, j.Workers = 1+chance.IntN(9), 1+chance.IntN(4)
						if again == 0 && chance.IntN(3) == 0 { // once more on the way
							done = killAtRound(t, j, proxy, proxy.Count()+1+chance.IntN(rounds), chance.IntN(2) == 0)
							continue
						}
						done, _ = do(t, j, 0)
					}
					check(t, j, n)
				}
			}
		})
	}
}

func TestPostgresKilledAtItems(t *testing.T) {
	j, _ := beginPostgres(t, itemsJob)
	killedAtItems(t, j)
}

func TestPostgresKilledAtAnyMoment(t *testing.T) {
	j, _ := beginPostgres(t, longerJob())
	killedAtAnyMoment(t, j)
}

func TestPostgresTwoRunsAtOnce(t *testing.T) {
	const n = 40
	j, _ := beginPostgres(t, n)
	twoRunsAtOnceOnATable(t, j, n)
}
