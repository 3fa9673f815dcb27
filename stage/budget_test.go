package stage

import (
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// marks makes a script of a text: x is an item that fails, everything else is one
// that does not.
func marks(text string) *script {
	s := &script{}
	for i, c := range text {
		v := i + 1
		if c == 'x' {
			v = -v
		}
		s.events = append(s.events, event{item: v})
	}
	return s
}

func TestErrorBudgets(t *testing.T) {
	for _, c := range []struct {
		in      string
		opts    []RunOption
		err     string // how the error begins; "": none
		written int64
	}{
		{"..x.", []RunOption{MaxFailedShare(0.25, 4)}, "", 3}, // a quarter is not more than a quarter
		{"..x", []RunOption{MaxFailedShare(0.25, 4)}, "stage: 1 of 3 items failed, more than a share of 0.25: Map: script: record 3", 2},
		{"..x.x...", []RunOption{MaxFailedShare(0.25, 6)}, "", 6},                               // a bad start is forgiven
		{"..x.x...", []RunOption{MaxFailedShare(0.25, 5)}, "stage: 2 of 5 items failed, ", 3},   // but not here
		{"..x.x..", []RunOption{MaxFailedShare(0.25, 6)}, "stage: 2 of 7 items failed, ", 5},    // nor at the end
		{"x..........", []RunOption{MaxFailedShare(0.5, 0)}, "stage: 1 of 1 items failed, ", 0}, // from the first on
		{"", []RunOption{MaxFailedShare(0.5, 0)}, "", 0},
		{"...xx..x.", []RunOption{MaxFailedWindow(0.5, 4)}, "", 6},
		{"...xx.x.", []RunOption{MaxFailedWindow(0.5, 4)}, "stage: 3 of the last 4 items failed, more than a share of 0.5 of 4: Map: script: record 7", 4},
		{"xx.....", []RunOption{MaxFailedWindow(0.2, 10)}, "", 5}, // the window is not full yet
		{"xx.x...", []RunOption{MaxFailedWindow(0.2, 10)}, "stage: 3 of the last 4 items failed, more than a share of 0.2 of 10: ", 1},
		{".x", []RunOption{MaxFailedWindow(0.2, 4)}, "stage: 1 of the last 2 items failed, ", 1}, // not one of four
		{"x.x.x", []RunOption{MaxFailedWindow(0.5, 2), MaxFailedShare(0.5, 5)}, "stage: 3 of 5 items failed, more than a share of 0.5: ", 2},
		{"..x.x", []RunOption{MaxFailedShare(0.9, 0), Continue(1)}, "stage: more items failed than the limit of 1 allows: Map: ", 3},
	} {
		for _, cuts := range [][]int{nil, {1}, {2, 3}} {
			for _, letters := range []bool{false, true} {
				s := marks(c.in)
				s.cuts = cuts
				w := wire(s)
				opts := slices.Concat([]RunOption{Continue(0)}, c.opts)
				if letters && !slices.ContainsFunc(c.opts, func(o RunOption) bool {
					cfg := runConfig{}
					o.applyRun(&cfg)
					return cfg.policy.goOn
				}) {
					opts = append(opts, DeadLetter(w.letters, 0)) // a policy after a budget keeps it
				}
				sum, err := w.run(t.Context(), opts...)
				assert.Equal(t, c.written, sum.Written, "%s %v", c.in, cuts)
				if c.err == "" {
					require.NoError(t, err, "%s %v", c.in, cuts)
					continue
				}
				require.ErrorContains(t, err, c.err, "%s %v", c.in, cuts)
				require.ErrorIs(t, err, errBad)
				_, ok := errors.AsType[*ItemError](err)
				assert.True(t, ok)
				b, ok := errors.AsType[*BudgetError](err)
				require.True(t, ok)
				assert.Equal(t, "sink close "+err.Error(), w.log[len(w.log)-1], "the sink is told")
				assert.Equal(t, b.Max == 1, b.Share == 0)
			}
		}
	}
}

// The figures in words may be any fraction: what is exactly the share is allowed.
func TestShareIsExact(t *testing.T) {
	for of := int64(1); of <= 1000; of++ {
		for n := int64(0); n < of; n += 1 + of/50 {
			assert.False(t, over(n, of, float64(n)/float64(of)))
			assert.True(t, over(n+1, of, float64(n)/float64(of)))
		}
	}
	assert.False(t, over(29, 100, 0.29))
	assert.False(t, over(7, 100, 0.07))
}

// Whatever fails, the run stops at the item at which the plain definition says so.
func TestErrorBudgetsAgainstTheDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fails := rapid.SliceOfN(rapid.Bool(), 0, 60).Draw(t, "fails")
		share := rapid.SampledFrom([]float64{0.1, 0.25, 1.0 / 3, 0.5, 0.9}).Draw(t, "share")
		after := rapid.IntRange(0, 20).Draw(t, "after")
		window := rapid.IntRange(1, 20).Draw(t, "window")
		windowShare := rapid.SampledFrom([]float64{0.1, 0.25, 0.5, 0.9}).Draw(t, "share of the window")

		text := ""
		for _, f := range fails {
			text += map[bool]string{true: "x", false: "."}[f]
		}
		stop, failed := -1, 0
		for i, f := range fails {
			if !f {
				continue
			}
			failed++
			inWindow := 0
			for _, g := range fails[max(0, i+1-window) : i+1] {
				if g {
					inWindow++
				}
			}
			if i+1 >= after && float64(failed)/float64(i+1) > share || float64(inWindow)/float64(window) > windowShare {
				stop = i
				break
			}
		}
		s := marks(text)
		s.cuts = []int{rapid.IntRange(1, 9).Draw(t, "chunk")}
		w := wire(s)
		sum, err := w.run(t.Context(), Continue(0), MaxFailedShare(share, after), MaxFailedWindow(windowShare, window))
		require.Equal(t, int64(failed), sum.Failed)
		switch {
		case stop >= 0:
			b, ok := errors.AsType[*BudgetError](err)
			require.True(t, ok, err)
			require.Equal(t, -(stop + 1), b.Err.Input)
			require.Equal(t, int64(stop+1-failed), sum.Written)
		case len(fails) > 0 && float64(failed)/float64(len(fails)) > share:
			require.ErrorContains(t, err, "more than a share")
		default:
			require.NoError(t, err)
		}
	})
}

func TestErrorBudgetsCheckTheirArguments(t *testing.T) {
	requirePanics(t, "penstock: stage.MaxFailedShare: share is 0, want more than 0 and less than 1", func() { MaxFailedShare(0, 1) })
	requirePanics(t, "penstock: stage.MaxFailedShare: share is NaN, want more than 0 and less than 1", func() { MaxFailedShare(math.NaN(), 1) })
	requirePanics(t, "penstock: stage.MaxFailedShare: after is -1, want 0 or more", func() { MaxFailedShare(0.5, -1) })
	requirePanics(t, "penstock: stage.MaxFailedWindow: share is 1, want more than 0 and less than 1", func() { MaxFailedWindow(1, 1) })
	requirePanics(t, "penstock: stage.MaxFailedWindow: n is 0, want 1 or more", func() { MaxFailedWindow(0.5, 0) })
	for _, opts := range [][]RunOption{{MaxFailedShare(0.5, 0)}, {Continue(0), MaxFailedWindow(0.5, 3), Stop()}} {
		requirePanics(t, "penstock: stage.Run: MaxFailedShare and MaxFailedWindow need Continue or DeadLetter", func() {
			_, _ = wire(items()).run(t.Context(), opts...)
		})
	}
	assert.NoError(t, errors.Unwrap(&BudgetError{Share: 0.5}))
	assert.EqualError(t, &BudgetError{Failed: 2, Items: 3, Share: 0.5}, "stage: 2 of 3 items failed, more than a share of 0.5")
}
