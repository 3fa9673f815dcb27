package source

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"hash"
	"reflect"
	"unsafe"

	"github.com/penstock-go/penstock/internal/identity"
	"github.com/penstock-go/penstock/stage"
)

// sliceFingerprint is what must not change of a slice.
type sliceFingerprint struct {
	Length int    `json:"length"`
	Type   string `json:"type"`
	Items  string `json:"items_sha256,omitzero"`
}

// Fingerprint implements stage.Resumable.
func (p *slicePuller[T]) Fingerprint(ctx context.Context) (json.RawMessage, error) {
	items, err := hashItems(ctx, p.items)
	if err != nil {
		return nil, err
	}
	return json.Marshal(sliceFingerprint{len(p.items), reflect.TypeFor[T]().String(), items})
}

// Seek implements stage.Resumable.
func (p *slicePuller[T]) Seek(_ context.Context, at stage.Position, first int64) error {
	if at.Record != first || first < 0 || first > int64(len(p.items)) {
		return placeError(at, first, "another item, or none")
	}
	p.next = int(first)
	return nil
}

// hashLot is how many items are hashed between two looks at the context.
const hashLot = 1 << 16

// hashItems is the hash of items of a basic type, and nothing for others: equal
// values of those may be stored as different bytes.
func hashItems[T any](ctx context.Context, items []T) (string, error) {
	kind := reflect.TypeFor[T]().Kind()
	if kind != reflect.String && (kind < reflect.Bool || kind > reflect.Complex128) {
		return "", nil
	}
	h := sha256.New()
	for len(items) > 0 {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		lot := items[:min(hashLot, len(items))]
		items = items[len(lot):]
		at := unsafe.Pointer(unsafe.SliceData(lot))
		if kind == reflect.String {
			hashStrings(h, unsafe.Slice((*string)(at), len(lot))) // T is a string by another name
			continue
		}
		h.Write(unsafe.Slice((*byte)(at), uintptr(len(lot))*unsafe.Sizeof(lot[0]))) // its memory is the value
	}
	return identity.Sum(h), nil
}

func hashStrings(h hash.Hash, items []string) {
	var b []byte
	for _, s := range items {
		b = append(binary.AppendUvarint(b[:0], uint64(len(s))), s...)
		h.Write(b)
	}
}

// rangeFingerprint is what must not change of a range.
type rangeFingerprint struct {
	From int `json:"from"`
	To   int `json:"to"`
}

// Fingerprint implements stage.Resumable.
func (p *rangePuller) Fingerprint(context.Context) (json.RawMessage, error) {
	return json.Marshal(rangeFingerprint{p.from, p.to})
}

// Seek implements stage.Resumable.
func (p *rangePuller) Seek(_ context.Context, at stage.Position, first int64) error {
	if at.Record != first || first < 0 || uint64(first) > uint64(p.to)-uint64(p.from) {
		return placeError(at, first, "another item, or none")
	}
	p.next = int(uint64(p.from) + uint64(first))
	return nil
}
