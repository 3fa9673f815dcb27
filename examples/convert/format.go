package main

import (
	"fmt"
	"path/filepath"
	"strings"
)

// format is how a file holds its records.
type format string

const (
	csv     format = "csv"
	tsv     format = "tsv"
	ndjson  format = "ndjson"
	json    format = "json" // an array; it is only read
	parquet format = "parquet"
)

// extensions are the names of the formats.
var extensions = map[string]format{
	".csv": csv, ".tsv": tsv, ".ndjson": ndjson, ".jsonl": ndjson, ".json": json, ".parquet": parquet,
}

// formatOf is what a file's name says of its format, and its compression: "",
// ".gz" or ".zst".
func formatOf(name string) (format, string, error) {
	compression := compressionOf(name)
	ext := strings.ToLower(filepath.Ext(strings.TrimSuffix(name, compression)))
	f, ok := extensions[ext]
	switch {
	case !ok:
		return "", "", fmt.Errorf("%s: the format is not known by its extension %q: use .csv, .tsv, .ndjson, .jsonl, .json or .parquet, "+
			"perhaps with .gz or .zst behind, or -from or -to", name, ext)
	case f == parquet && compression != "":
		return "", "", fmt.Errorf("%s: Parquet is compressed inside, and cannot be inside of %s", name, compression)
	}
	return f, compression, nil
}

// compressionOf is the extension with which package sink compresses.
func compressionOf(name string) string {
	if ext := filepath.Ext(name); ext == ".gz" || ext == ".zst" {
		return ext
	}
	return ""
}
