package checkpoint

import (
	"bytes"
	"fmt"
	"hash/crc32"
)

// castagnoli is the polynomial of CRC-32C, which finds every error of up to 5 bits
// in files of this size, and has an instruction on amd64 and arm64.
var castagnoli = crc32.MakeTable(crc32.Castagnoli) //nolint:gochecknoglobals // a table

const magic = "penstock-checkpoint"

// header is the first line of a file.
func header(body []byte) []byte {
	return fmt.Appendf(nil, "%s crc32c=%08x bytes=%d\n", magic, crc32.Checksum(body, castagnoli), len(body))
}

// seal puts the line in front of a state that a damage to it shows in.
func seal(body []byte) []byte { return append(header(body), body...) }

// unseal checks and removes it. There is one line that fits a body, so a damage to
// the line shows as well.
func unseal(b []byte, checked bool) ([]byte, error) {
	i := bytes.IndexByte(b, '\n')
	switch {
	case len(b) == 0:
		return nil, fmt.Errorf("%w: the file is empty", ErrCorrupt)
	case i < 0:
		return nil, fmt.Errorf("%w: the first line does not end", ErrCorrupt)
	}
	line, body := b[:i+1], b[i+1:]
	if want := header(body); checked && !bytes.Equal(line, want) {
		const most = 100
		return nil, fmt.Errorf("%w: the first line is %q, its contents make it %q", ErrCorrupt, line[:min(i, most)], want[:len(want)-1])
	}
	return body, nil
}
