package main

import (
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestNumber(t *testing.T) {
	for _, s := range []string{"", "-", "+", "--1", "1-", "1 ", " 1", "1_000", "1,000", "x", "é", "NaN", "Inf", "-inf", "0x10", "1e", ".", "1.2.3", "\x00"} {
		_, ok := whole(s)
		assert.False(t, ok, s)
		_, _, err := number(s)
		assert.ErrorContains(t, err, "is no number: invalid syntax", s)
	}
	for _, s := range []string{"9223372036854775808", "-9223372036854775809", "1e400", strings.Repeat("9", 500)} {
		_, ok := whole(s)
		assert.False(t, ok, s)
		_, _, err := number(s)
		assert.ErrorContains(t, err, "value out of range", s)
	}
	for s, want := range map[string]int64{
		"0": 0, "-0": 0, "+7": 7, "-80": -80, "007": 7, "999999999999999999": 999999999999999999, "-999999999999999999": -999999999999999999,
	} {
		n, ok := whole(s)
		assert.True(t, ok, s)
		assert.Equal(t, want, n, s)
	}
	n, f, err := number("-9223372036854775808")
	require.NoError(t, err)
	assert.EqualValues(t, math.MinInt64, n)
	assert.Zero(t, f)
	n, f, err = number("-1.25e2")
	require.NoError(t, err)
	assert.Zero(t, n)
	assert.InDelta(t, -125, f, 0)
}

// The short way and the long one agree, and the long one is right.
func FuzzNumber(f *testing.F) {
	for _, s := range []string{"", "12", "-7", "+0", "1234567890123456789", "99999999999999999999", "1.5", "-1e3", "x", "0x1p-2", "--", "1_0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		short, ok := whole(s)
		n, fraction, err := number(s)
		if ok {
			require.NoError(t, err)
			require.Equal(t, short, n)
			require.Zero(t, fraction)
		}
		if err != nil {
			return
		}
		require.NotEmpty(t, s)
		require.False(t, math.IsNaN(fraction) || math.IsInf(fraction, 0))
		if !strings.ContainsAny(s, ".eE") {
			want, ok := new(big.Int).SetString(s, 10)
			require.True(t, ok)
			require.Equal(t, want.String(), big.NewInt(n).String())
		}
	})
}
