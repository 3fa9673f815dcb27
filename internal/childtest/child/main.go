// Command child is the program that tests of subprocesses run: it answers lines in a way
// that a test is about.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// hour is longer than any test.
const hour = time.Hour

func main() {
	// The first argument only marks the process.
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "want a mark, a mode and its arguments")
		os.Exit(2)
	}
	if err := child(os.Args[2], os.Args[3:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// child behaves as mode says. Modes that are about a line do it at that which args
// begins with, and answer the others with what they are.
func child(mode string, args []string) error {
	at, with := "", ""
	if len(args) > 0 {
		at = args[0]
	}
	if len(args) > 1 {
		with = args[1]
	}
	switch mode {
	case "sleep": // until it is killed
		time.Sleep(hour)
	case "cat": // in pieces, whatever the lines are
		_, err := io.CopyBuffer(struct{ io.Writer }{os.Stdout}, struct{ io.Reader }{os.Stdin}, make([]byte, 4096))
		return err
	case "upper":
		return answer(strings.ToUpper)
	case "double": // of {"n": number}
		return answer(func(line string) string {
			var v struct {
				N int `json:"n"`
			}
			if err := json.Unmarshal([]byte(line), &v); err != nil {
				return "no JSON"
			}
			return fmt.Sprintf(`{"n":%d}`, 2*v.N)
		})
	case "environment":
		return answer(func(string) string {
			env := os.Environ()
			slices.Sort(env)
			return strings.Join(env, " ")
		})
	case "folder":
		dir, err := os.Getwd()
		if err != nil {
			return err
		}
		return answer(func(string) string { return dir })
	case "pid":
		return answer(func(string) string { return strconv.Itoa(os.Getpid()) })
	case "end": // with a status, having said something
		if err := echo(); err != nil {
			return err
		}
		fmt.Fprintln(os.Stderr, "no disk left")
		return exit(at)
	case "word": // too many, at the end
		if err := echo(); err != nil {
			return err
		}
		return say("bye\n")
	case "banner": // before anything
		if err := say("hello\n"); err != nil {
			return err
		}
		return echo()
	case "silent": // buffers its answers until the end
		out := bufio.NewWriterSize(os.Stdout, 1<<20)
		if err := each(func(line string) error { _, err := fmt.Fprintln(out, line); return err }); err != nil {
			return err
		}
		return out.Flush()
	case "flood":
		return answer(func(line string) string {
			for range 16 {
				fmt.Fprintln(os.Stderr, strings.Repeat("x", 64<<10))
			}
			fmt.Fprintln(os.Stderr, "last of "+line)
			return line
		})
	case "stubborn": // ends neither with its input nor with a signal
		signal.Ignore(syscall.SIGTERM)
		if err := echo(); err != nil {
			return err
		}
		time.Sleep(hour)
	case "slow": // ends with a signal only
		if err := echo(); err != nil {
			return err
		}
		time.Sleep(hour)
	case "parent", "daemon": // of one that outlives it, in its group or in another
		if err := spawn("sleep", mode == "daemon"); err != nil {
			return err
		}
		return each(func(line string) error {
			if line == at {
				os.Exit(0)
			}
			return say(line + "\n")
		})
	default:
		return each(func(line string) error {
			if line == at {
				return misbehave(mode, line, with)
			}
			return say(line + "\n")
		})
	}
	return nil
}

// misbehave does what a mode is about.
func misbehave(mode, line, with string) error {
	switch mode {
	case "crash":
		fmt.Fprintln(os.Stderr, "cannot do "+line)
		return exit(with)
	case "die": // of a signal
		p, err := os.FindProcess(os.Getpid())
		if err == nil {
			err = p.Kill()
		}
		time.Sleep(hour)
		return err
	case "hang":
		time.Sleep(hour)
	case "long":
		return say(strings.Repeat("x", 1<<20) + "\n")
	case "twice": // the right answer, and another
		return say(line + "\n" + line + "\n")
	case "partial": // no newline at the end
		if err := say(line); err != nil {
			return err
		}
		os.Exit(0)
	case "deaf": // lives, and reads no more
		err := os.Stdin.Close()
		if err == nil {
			err = say(line + "\n")
		}
		if err != nil {
			return err
		}
		time.Sleep(hour)
	case "dumb": // lives, and writes no more
		if err := os.Stdout.Close(); err != nil {
			return err
		}
		time.Sleep(hour)
	default:
		return fmt.Errorf("no mode %s", mode)
	}
	return nil
}

func exit(status string) error {
	code := 0
	if _, err := fmt.Sscan(status, &code); err != nil {
		return err
	}
	os.Exit(code)
	return nil
}

// spawn starts another child with the same files, in the same group unless it leaves.
func spawn(mode string, leaves bool) error {
	cmd := exec.Command(os.Args[0], os.Args[1], mode) //nolint:noctx,gosec // itself
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if leaves {
		leave(cmd)
	}
	return cmd.Start()
}

func say(text string) error {
	_, err := os.Stdout.WriteString(text)
	return err
}

func echo() error { return answer(func(line string) string { return line }) }

func answer(fn func(string) string) error {
	return each(func(line string) error { return say(fn(line) + "\n") })
}

func each(fn func(line string) error) error {
	in := bufio.NewReader(os.Stdin)
	for {
		line, err := in.ReadString('\n')
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := fn(strings.TrimSuffix(line, "\n")); err != nil {
			return err
		}
	}
}
