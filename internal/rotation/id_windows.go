package rotation

import (
	"fmt"
	"os"
	"syscall"
)

// ID is a text that is the same for one file whatever it is called, and another for
// every other file that there is at the same time; "" where the system has none.
func ID(f *os.File, _ os.FileInfo) string {
	var info syscall.ByHandleFileInformation
	if f == nil || syscall.GetFileInformationByHandle(syscall.Handle(f.Fd()), &info) != nil {
		return ""
	}
	return fmt.Sprintf("%x-%x%08x", info.VolumeSerialNumber, info.FileIndexHigh, info.FileIndexLow)
}
