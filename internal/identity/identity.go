// Package identity tells files apart: what a source's fingerprint says of one, so
// that a run that goes on refuses a file that is not what the run before read.
package identity

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"strconv"
)

// Ends is how many bytes at each end of a file its identity looks at.
const Ends = 64 << 10

// File is the identity of a file: its size and the hashes of its ends, as it is
// stored. A change in its middle that keeps the size is not noticed. When it was
// modified does not count: a copy is the same.
type File struct {
	Part int32  `json:"part"`        // which input it is
	Size int64  `json:"size"`        // bytes
	Head string `json:"head_sha256"` // of the first bytes, at most Ends
	Tail string `json:"tail_sha256"` // of the last, at most Ends
}

// Of is the identity of a file of size bytes, which is the input part.
func Of(file io.ReaderAt, size int64, part int32) (f File, err error) {
	f = File{Part: part, Size: size}
	n := min(Ends, size)
	if f.Head, err = Hash(file, 0, n); err == nil {
		f.Tail, err = Hash(file, size-n, n)
	}
	return f, err
}

// Hash is the hash of n bytes of a file. That it has fewer is an error.
func Hash(file io.ReaderAt, at, n int64) (string, error) {
	h := sha256.New()
	got, err := io.Copy(h, io.NewSectionReader(file, at, n))
	if err == nil && got < n {
		err = fmt.Errorf("it shrank while it was looked at: %w", io.ErrUnexpectedEOF)
	}
	return Sum(h), err
}

// Sum is a hash as an identity has it.
func Sum(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)[:16]) }

// Key is the name under which the n-th input of a path (from 1) stands in a
// fingerprint: a path may be given several times.
func Key(path string, n int) string {
	if n > 1 {
		return path + " (" + strconv.Itoa(n) + ")"
	}
	return path
}
