package fsys

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
)

// Checksum is a CRC-32C, which is written to and can be gone on with. As text it is
// eight hexadecimal digits.
type Checksum uint32 //nolint:recvcheck // it is a value, which reading and writing change

// Write implements io.Writer. It never fails.
func (c *Checksum) Write(b []byte) (int, error) {
	*c = Checksum(crc32.Update(uint32(*c), crc32.MakeTable(crc32.Castagnoli), b))
	return len(b), nil
}

// MarshalText implements encoding.TextMarshaler.
func (c Checksum) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%08x", uint32(c)), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (c *Checksum) UnmarshalText(text []byte) error {
	if _, err := fmt.Sscanf(string(text), "%08x", (*uint32)(c)); err != nil {
		return fmt.Errorf("checksum %q: %w", text, err)
	}
	return nil
}

// IsFile reports whether the file at path has so many bytes and that checksum. To
// find out it reads the file, if its length is right.
func IsFile(files FS, path string, size int64, sum Checksum) (bool, error) {
	info, err := files.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case info.Size() != size || !info.Mode().IsRegular():
		return false, nil
	}
	f, err := files.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return false, err
	}
	var got Checksum
	_, err = io.Copy(&got, f)
	return got == sum, errors.Join(err, f.Close())
}
