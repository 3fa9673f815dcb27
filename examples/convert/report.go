package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// outputs are the files there are that a run of the job may have written.
func (j *job) outputs() (map[string]fs.FileInfo, error) {
	var paths []string
	var err error
	switch {
	case j.out == standard:
	case j.by != "":
		if _, missing := os.Stat(j.out); missing == nil {
			paths, err = within(j.out)
		}
	case j.maxSize > 0:
		paths, err = parts(j.out)
	default:
		paths = []string{j.out}
	}
	found := make(map[string]fs.FileInfo)
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil {
			found[path] = info
		}
	}
	return found, err
}

// parts are the numbered files of a path: part-00001.csv.gz of part.csv.gz.
func parts(path string) (files []string, err error) {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	name := strings.TrimSuffix(filepath.Base(path), compressionOf(path))
	stem := strings.TrimSuffix(name, filepath.Ext(name))
	end := strings.TrimPrefix(filepath.Base(path), stem)
	for _, e := range entries {
		number, begins := strings.CutPrefix(e.Name(), stem+"-")
		number, ends := strings.CutSuffix(number, end)
		if begins && ends && number != "" && strings.Trim(number, "0123456789") == "" {
			files = append(files, filepath.Join(filepath.Dir(path), e.Name()))
		}
	}
	return files, nil
}

// report is what a run that went well has to say.
func (r *result) report(j *job) string {
	var b strings.Builder
	took := r.elapsed.Seconds()
	fmt.Fprintf(&b, "Read     %9d rows  %s of %s in %s\n", r.read, megabytes(r.inBytes), j.from, files(len(j.files)))
	switch {
	case r.enough:
		fmt.Fprintf(&b, "Written  until its reader had enough of standard output\n")
	case j.out == standard:
		fmt.Fprintf(&b, "Written  %9d rows  %s to standard output\n", r.read-r.failed, j.to)
	default:
		fmt.Fprintf(&b, "Written  %9d rows  %s of %s in %s: %s\n",
			r.read-r.failed, megabytes(r.outBytes), string(j.to)+j.compression, files(r.outFiles), j.out)
	}
	fmt.Fprintf(&b, "Left out %9d rows\n", r.failed)
	fmt.Fprintf(&b, "%.2f s, %.0f rows per second, %.1f MB/s read, %.1f MB/s written\n",
		took, float64(r.read)/took, float64(r.inBytes)/1e6/took, float64(r.outBytes)/1e6/took)
	return b.String()
}

func megabytes(n int64) string { return fmt.Sprintf("%.2f MB", float64(n)/1e6) }

func files(n int) string {
	if n == 1 {
		return "1 file"
	}
	return fmt.Sprintf("%d files", n)
}
