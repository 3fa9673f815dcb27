//go:build !unix && !windows

package rotation

import "os"

// ID is a text that is the same for one file whatever it is called, and another for
// every other file that there is at the same time; "" where the system has none.
func ID(*os.File, os.FileInfo) string { return "" }
