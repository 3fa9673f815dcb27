//go:build unix

package rotation

import (
	"fmt"
	"os"
	"syscall"
)

// ID is a text that is the same for one file whatever it is called, and another for
// every other file that there is at the same time; "" where the system has none.
func ID(_ *os.File, info os.FileInfo) string {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return fmt.Sprintf("%x-%x", st.Dev, st.Ino)
	}
	return ""
}
