package fsys

import (
	"context"
	"errors"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
)

// Claims are the files that the sinks of a run write to.
type Claims struct {
	mu    sync.Mutex
	taken map[string]bool
}

// ErrClaimed says that two sinks of a run would write to one file.
var ErrClaimed = errors.New("another sink of the run writes to it")

type claimsKey struct{}

// WithClaims returns a context in which no file can be claimed twice: those of claims.
func WithClaims(ctx context.Context, claims *Claims) context.Context {
	return context.WithValue(ctx, claimsKey{}, claims)
}

// HasClaims reports whether ctx is one.
func HasClaims(ctx context.Context) bool { return ctx.Value(claimsKey{}) != nil }

// Claim notes that a sink writes to the file at path, or to files of which path stands
// for all, as out-*.csv does. It fails with ErrClaimed if another one does, by whatever
// path. What is there and not a regular file, as a device, may have several writers.
func Claim(ctx context.Context, path string) error {
	claims, _ := ctx.Value(claimsKey{}).(*Claims)
	if claims == nil {
		return nil
	}
	files := Of(ctx)
	if info, err := files.Stat(path); err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		return nil
	}
	place := path
	if _, onDisk := files.(OS); onDisk {
		place = resolved(path)
	}
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" { // they do not tell the case of letters apart
		place = strings.ToLower(place)
	}
	claims.mu.Lock()
	defer claims.mu.Unlock()
	if claims.taken[place] {
		return ErrClaimed
	}
	if claims.taken == nil {
		claims.taken = map[string]bool{}
	}
	claims.taken[place] = true
	return nil
}

// resolved is a path from the root without links, as far as it is there.
func resolved(path string) string {
	if full, err := filepath.Abs(path); err == nil {
		path = full
	}
	if full, err := filepath.EvalSymlinks(path); err == nil {
		return full
	}
	dir, base := filepath.Split(path)
	if dir = filepath.Clean(dir); dir == path {
		return path
	}
	return filepath.Join(resolved(dir), base)
}
