package stage_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/penstock-go/penstock/checkpoint"
	"github.com/penstock-go/penstock/pool"
	"github.com/penstock-go/penstock/sink"
	"github.com/penstock-go/penstock/source"
	"github.com/penstock-go/penstock/stage"
)

// heldStore is a store that calls hold before it saves its second state.
type heldStore struct {
	memoryStore
	hold func()
}

func (s *heldStore) Save(ctx context.Context, st checkpoint.State) error {
	if s.saves == 1 {
		s.hold()
	}
	return s.memoryStore.Save(ctx, st)
}

// Whatever is stuck is named, once, and the run ends well when it comes back.
func TestStallNamesWhatIsStuck(t *testing.T) {
	var sought []int64
	numbers := func() stage.Stream[int64] { return numbersTo(12, 4, &sought) }
	p := func(opts ...pool.Option) []pool.Option { return append(opts, pool.Name("parse")) }
	for name, tt := range map[string]struct {
		stream func(hold func(int64)) stage.Stream[int64]
		write  bool // the sink is stuck
		save   bool // the store is stuck
		want   stage.Activity
	}{
		"source": {
			stream: func(hold func(int64)) stage.Stream[int64] {
				n := int64(-1)
				return source.Func(func(context.Context) (int64, error) {
					n++
					hold(n)
					return n, nil
				}).Take(12)
			},
			want: stage.Activity{Stage: "Func", Op: "Func", Doing: stage.WaitingForData, Index: -1},
		},
		"map": {
			stream: func(hold func(int64)) stage.Stream[int64] {
				return stage.Map(numbers(), stage.Pure(func(v int64) int64 { hold(v); return v })).Named("parse")
			},
			want: stage.Activity{Stage: "parse", Op: "Map", Doing: stage.RunningFunction, Running: 1, Index: 5},
		},
		"flatmap": {
			stream: func(hold func(int64)) stage.Stream[int64] {
				return stage.FlatMap(numbers(), func(_ context.Context, v int64, emit func(int64)) error {
					emit(v)
					hold(v)
					return nil
				}).Named("parse")
			},
			want: stage.Activity{Stage: "parse", Op: "FlatMap", Doing: stage.RunningFunction, Running: 1, Index: 5},
		},
		"imap, in order": {
			stream: func(hold func(int64)) stage.Stream[int64] {
				return pool.Imap(pool.New(3), numbers(), stage.Pure(func(v int64) int64 { hold(v); return v }), p(pool.ChunkSize(1))...)
			},
			want: stage.Activity{Stage: "parse", Op: "Imap", Doing: stage.RunningFunction, Running: 1, Index: 5},
		},
		"imap, behind a map": {
			stream: func(hold func(int64)) stage.Stream[int64] {
				s := pool.Imap(pool.New(2), numbers(), stage.Pure(func(v int64) int64 { hold(v); return v }), p()...)
				return stage.Map(s, stage.Pure(func(v int64) int64 { return v }))
			},
			want: stage.Activity{Stage: "parse", Op: "Imap", Doing: stage.RunningFunction, Running: 1, Index: 5},
		},
		"imap, unordered": {
			stream: func(hold func(int64)) stage.Stream[int64] {
				return pool.ImapUnordered(pool.New(3), numbers(), stage.Pure(func(v int64) int64 { hold(v); return v }), p(pool.ChunkSize(2))...)
			},
			want: stage.Activity{Stage: "parse", Op: "ImapUnordered", Doing: stage.RunningFunction, Running: 1, Index: 5},
		},
		"write": {
			stream: func(func(int64)) stage.Stream[int64] { return numbers() },
			write:  true,
			want:   stage.Activity{Stage: "sink", Doing: stage.Writing, Index: 0},
		},
		"store": {
			stream: func(func(int64)) stage.Stream[int64] { return numbers() },
			save:   true,
			want:   stage.Activity{Stage: "sink", Doing: stage.Checkpointing, Index: -1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				free := make(chan struct{})
				hold := func(v int64) {
					if v == 5 {
						<-free
					}
				}
				var stalls []stage.Stall
				opts := []stage.RunOption{stage.Continue(0), stage.StallAfter(time.Minute, func(s stage.Stall) {
					stalls = append(stalls, s)
					time.Sleep(time.Hour) // the bubble's: while it is stuck there is no second report
					close(free)
				})}
				if tt.save {
					store := &heldStore{hold: func() { hold(5) }}
					opts = append(opts, stage.Checkpoint(store, time.Hour))
				}
				var got []int64
				to := sink.Func(func(_ context.Context, v int64) error {
					if got = append(got, v); tt.write && len(got) == 1 {
						hold(5)
					}
					return nil
				})
				_, err := stage.Run(t.Context(), tt.stream(hold), to, opts...)
				require.NoError(t, err)
				assert.Len(t, got, 12)
				require.Len(t, stalls, 1)
				culprit := stalls[0].Culprit()
				assert.GreaterOrEqual(t, culprit.Since, 45*time.Second)
				assert.GreaterOrEqual(t, stalls[0].For, time.Minute)
				assert.LessOrEqual(t, stalls[0].For, 75*time.Second)
				culprit.Since, culprit.At = 0, stage.Position{}
				if tt.want.Op == "" {
					culprit.Op = ""
				}
				assert.Equal(t, tt.want, culprit, stalls[0].String())
				assert.Contains(t, stalls[0].String(), "sink")
			})
		})
	}
}

// The item that is stuck is named by its file, record and byte where the source
// knows them.
func TestStallNamesTheFileAndByte(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	require.NoError(t, os.WriteFile(path, []byte("one\ntwo\nthree\nfour\n"), 0o600))
	free := make(chan struct{})
	hold := stage.Pure(func(line string) string {
		if line == "three" {
			<-free
		}
		return line
	})
	var first stage.Stall
	var once sync.Once
	s := stage.Map(source.Lines(path), hold).Named("parse")
	_, err := stage.Run(t.Context(), s, sink.Func(func(context.Context, string) error { return nil }),
		stage.StallAfter(200*time.Millisecond, func(s stage.Stall) {
			once.Do(func() {
				first = s
				close(free)
			})
		}))
	require.NoError(t, err)
	assert.Equal(t, int64(2), first.Culprit().Index)
	at := first.Culprit().At
	assert.Equal(t, path, at.Key)
	assert.Equal(t, int64(2), at.Record)
	assert.Equal(t, int64(8), at.Offset)
	assert.Contains(t, first.String(), "waits for parse (Map): item 2, "+path+" record 3, byte 8, running for ")
}

// A pipeline that moves now and then is none that stalled, however slow it is.
func TestSlowIsNoStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := func(_ context.Context, v int64) (int64, error) {
			time.Sleep(50 * time.Second)
			return v, nil
		}
		var sought []int64
		s := stage.Map(pool.Imap(pool.New(2), numbersTo(16, 16, &sought), slow, pool.ChunkSize(8)), slow)
		_, err := stage.Run(t.Context(), s, sink.Func(func(context.Context, int64) error { return nil }),
			stage.StallAfter(time.Minute, func(s stage.Stall) { t.Error(s) }))
		require.NoError(t, err)
	})
}

// An idle live source is named as one without data, once per pause.
func TestStallIsReportedAgainAfterProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ch := make(chan int64)
		go func() {
			defer close(ch)
			for v := range int64(3) {
				time.Sleep(10 * time.Minute)
				ch <- v
			}
		}()
		core, logs := observer.New(zapcore.WarnLevel)
		var doing []stage.Doing
		_, err := stage.Run(t.Context(), source.Chan(ch), sink.Func(func(context.Context, int64) error { return nil }),
			stage.WithLogger(zap.New(core)),
			stage.StallAfter(time.Minute, func(s stage.Stall) { doing = append(doing, s.Culprit().Doing) }))
		require.NoError(t, err)
		assert.Equal(t, []stage.Doing{stage.WaitingForData, stage.WaitingForData, stage.WaitingForData}, doing)
		require.Equal(t, 3, logs.Len())
		assert.Equal(t, "sink (Func) waits for Chan: waiting for data for 1m0s", logs.All()[0].ContextMap()["waits"])
	})
}

// What report does is no matter of the run's.
func TestStallReportThatMisbehaves(t *testing.T) {
	for name, misbehave := range map[string]func(){
		"panic":  func() { panic("no") },
		"goexit": runtime.Goexit,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				core, logs := observer.New(zapcore.ErrorLevel)
				slow := func(_ context.Context, v int64) (int64, error) {
					time.Sleep(2 * time.Minute)
					return v, nil
				}
				var sought []int64
				calls := 0
				_, err := stage.Run(t.Context(), stage.Map(numbersTo(3, 1, &sought), slow),
					sink.Func(func(context.Context, int64) error { return nil }),
					stage.WithLogger(zap.New(core)), stage.StallAfter(time.Minute, func(stage.Stall) {
						calls++
						misbehave()
					}))
				require.NoError(t, err)
				assert.Equal(t, 3, calls)
				assert.Equal(t, 3, logs.Len())
			})
		})
	}
}

// The detector is gone when Run is, also when Run fails.
func TestStallDetectorEndsWithTheRun(t *testing.T) {
	errNo := errors.New("no")
	var sought []int64
	_, err := stage.Run(t.Context(), numbersTo(3, 1, &sought), sink.Func(func(context.Context, int64) error { return errNo }),
		stage.StallAfter(time.Hour, nil)) // goleak looks when all tests are done
	require.ErrorIs(t, err, errNo)
}

func TestStallAfterRefusesNoTime(t *testing.T) {
	assert.PanicsWithValue(t, "penstock: stage.StallAfter: d is 0s, want more than 0", func() { stage.StallAfter(0, nil) })
}
