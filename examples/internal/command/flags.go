package command

import (
	"errors"
	"flag"
	"fmt"
	"io"
)

// Parse parses the arguments of a program, where files may stand between flags,
// and hands these to file as they come. Only help goes to stderr, under the usage
// line: errors are the caller's to print, so the set's own output is discarded.
func Parse(fs *flag.FlagSet, args []string, usage string, stderr io.Writer, file func(string)) error {
	fs.SetOutput(io.Discard)
	for len(args) > 0 {
		if err := fs.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				fmt.Fprintln(stderr, usage)
				fs.SetOutput(stderr)
				fs.PrintDefaults()
			}
			return err
		}
		if args = fs.Args(); len(args) > 0 {
			file(args[0])
			args = args[1:]
		}
	}
	return nil
}
