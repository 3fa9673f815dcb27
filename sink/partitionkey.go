package sink

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Partition says by which columns the items of a [Partitioned] sink are told
// apart. It is made by [By].
type Partition[T any] struct{ columns []partitionColumn[T] }

type partitionColumn[T any] struct {
	prefix string // the escaped name and =
	value  func(T) string
}

// By makes a partition of a column: each value of it has a folder, name=value. By
// panics if column is empty or value is nil.
func By[T any](column string, value func(T) string) Partition[T] {
	return Partition[T]{}.with("By", column, value)
}

// And adds a column, whose folders are within those of the columns before. It
// panics as By does.
func (p Partition[T]) And(column string, value func(T) string) Partition[T] {
	return p.with("And", column, value)
}

func (p Partition[T]) with(verb, column string, value func(T) string) Partition[T] {
	if column == "" {
		panic("penstock: sink." + verb + ": column is empty")
	}
	notNil(value == nil, verb+": value")
	next := partitionColumn[T]{prefix: escape(column) + "=", value: value}
	return Partition[T]{columns: append(slices.Clip(p.columns), next)}
}

// ErrKeyTooLong says that a value has no folder, because its name would be longer
// than 255 bytes.
var ErrKeyTooLong = errors.New("the folder's name is longer than 255 bytes")

// maxFolder is how long a name may be on all usual file systems.
const maxFolder = 255

// folder is the path of an item's folder below the root.
func (p Partition[T]) folder(item T) (string, error) {
	var b strings.Builder
	for i, c := range p.columns {
		if i > 0 {
			b.WriteByte('/')
		}
		name := c.prefix + escapeValue(c.value(item))
		if len(name) > maxFolder {
			return "", fmt.Errorf("%.40s...: %w", name, ErrKeyTooLong)
		}
		b.WriteString(name)
	}
	return b.String(), nil
}

// defaultPartition is Hive's folder of the empty value.
const defaultPartition = "__HIVE_DEFAULT_PARTITION__"

// escapeValue is the name of a value in a folder's name.
func escapeValue(value string) string {
	switch value {
	case "":
		return defaultPartition
	case defaultPartition:
		return "%5F" + value[1:] // which is not that of the empty value
	}
	return escape(value)
}

// special are the characters that Hive escapes, beside control characters, and
// those that Windows forbids.
const special = "\"#%'*/:=?\\{[]^<>|"

// escape replaces what a file system, Hive or a shell could take for something
// else by % and two hexadecimal digits for each byte: control characters, special
// ones, invalid UTF-8, and a dot or space at the end, which Windows drops.
func escape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		last := i+n == len(s)
		switch {
		case r == utf8.RuneError && n == 1, r < ' ', r == 0x7f, strings.ContainsRune(special, r), last && (r == '.' || r == ' '):
			fmt.Fprintf(&b, "%%%02X", s[i])
		default:
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}
