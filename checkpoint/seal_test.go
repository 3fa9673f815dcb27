package checkpoint

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSeal(t *testing.T) {
	sealed := seal([]byte("123456789"))
	// e3069283 is the check value of CRC-32C (iSCSI) for these digits.
	assert.Equal(t, "penstock-checkpoint crc32c=e3069283 bytes=9\n123456789", string(sealed))
	for bad, want := range map[string]string{
		"": "damaged: the file is empty", "x": "damaged: the first line does not end",
		"x\ny": `damaged: the first line is "x", its contents make it "penstock-checkpoint crc32c=`,
	} {
		_, err := unseal([]byte(bad), true)
		require.ErrorIs(t, err, ErrCorrupt)
		require.ErrorContains(t, err, want)
	}
}

// What is taken for whole is what a store wrote.
func FuzzUnseal(f *testing.F) {
	body, err := sample(1).Encode()
	require.NoError(f, err)
	f.Add(seal(body))
	f.Add(seal(nil))
	f.Add([]byte("penstock-checkpoint crc32c=00000000 bytes=1\nx"))
	f.Fuzz(func(t *testing.T, data []byte) {
		body, err := unseal(data, true)
		if err != nil {
			require.ErrorIs(t, err, ErrCorrupt)
			return
		}
		require.Equal(t, data, seal(body))
	})
}

func BenchmarkFileSave(b *testing.B) {
	f, ctx := File(filepath.Join(b.TempDir(), "job")), b.Context()
	require.NoError(b, f.Open(ctx))
	for epoch := uint64(1); b.Loop(); epoch++ {
		require.NoError(b, f.Save(ctx, sample(epoch)))
	}
	require.NoError(b, f.Close(ctx))
}
