package main

import (
	"fmt"
	"path/filepath"
)

// fileCase is a job over files and who does it. The answers of all must be the
// same.
type fileCase struct {
	name  string
	input string // what is read, by its name in the folder
	size  string // the input whose bytes count for megabytes a second; "": input
	out   string // how the file that is written ends; "": the answer is printed
	look  string // the job of filesjob that says what is in a written file; "": its bytes are compared
	most  float64
	rival []rival
	job   string   // of filesjob, which is ours; "": the case's name
	own   []string // our process, if it is no job of filesjob
	means bool     // the answer is made of means: ten times as much gives the same
	once  bool     // it takes too long to be done with ten times as much

	repeat int // how often the input is named; 0: once
}

// rival is another process, and what must be shown beside it.
type rival struct {
	name  string
	needs string   // the program in the path; "": filesjob or duck
	argv  []string // {in} and {out} stand for the files
	limit float64  // ours must take at most so many times its time; 0: nothing is asked
	mute  bool     // it only decompresses: there is no answer to compare
	note  string
}

// inputArg stands for the input in a command.
const inputArg = "{in}"

// The most memory that our process may have, in MB of 1,000,000 bytes.
const (
	mostMB        = 96
	mostParquetMB = 192
	mostSortMB    = 128
)

// The group-by of the others.
const (
	awkSums = `{s[$4]+=$2; n[$4]++} END {for (k in s) `
	awkMean = `BEGIN {FS=","} NR>1 ` + awkSums + `printf "%s,%.9f\n", k, s[k]/n[k]}`
	// parallel gives the header to one of many: a delay that is no number is 0.
	awkPart  = `BEGIN {FS=","} ` + awkSums + `if (k != "origin") printf "%s,%d,%d\n", k, s[k], n[k]}`
	awkMerge = `BEGIN {FS=","} {s[$1]+=$2; n[$1]+=$3} END {for (k in s) printf "%s,%.9f\n", k, s[k]/n[k]}`

	inParallel = `parallel --will-cite -j2 --pipepart --block -1 -a '{in}' `

	jqFilter = `select(.delay > 60) | {origin, delay}`

	duckGroup = `SELECT origin, avg(delay) FROM read_csv('{in}') GROUP BY origin`
	duckJSON  = `COPY (SELECT origin, delay FROM read_json('{in}', format='newline_delimited', ` +
		`columns={origin: 'VARCHAR', delay: 'BIGINT'}) WHERE delay > 60) TO '{out}' (FORMAT json)`
	duckParquet = `COPY (FROM read_csv('{in}')) TO '{out}' (FORMAT parquet, COMPRESSION zstd)`
)

const onlyDecompresses = "only decompresses"

// fileCases are the table of what must be shown.
func fileCases(tools fileTools) []fileCase {
	duck := func(sql string, limit float64, note string) rival {
		return rival{name: "duckdb", argv: []string{tools.duck, sql}, limit: limit, note: note}
	}
	byHand := func(name, job string, limit float64) rival {
		return rival{name: name, argv: []string{tools.job, job, "{out}", inputArg}, limit: limit}
	}
	tool := func(limit float64, name string, argv ...string) rival {
		return rival{name: name, needs: argv[0], argv: argv, limit: limit}
	}
	unpacks := func(limit float64, name string, argv ...string) rival {
		r := tool(limit, name, argv...)
		r.mute, r.note = true, onlyDecompresses
		return r
	}
	jsonRivals := func(ofDuck, ofJQ float64) []rival {
		return []rival{
			duck(duckJSON, ofDuck, "given the columns"),
			shell(ofJQ, "jq", "jq", `jq -c '`+jqFilter+`' '{in}' > '{out}'`),
			shell(0, "parallel jq", "parallel", inParallel+`-k -q jq -c '`+jqFilter+`' > '{out}'`),
		}
	}
	return []fileCase{
		{name: "lines/count", input: plainFile, most: mostMB, rival: []rival{tool(3, "wc", "wc", "-l", inputArg)}},
		{name: groupby, input: plainFile, most: mostMB, means: true, rival: []rival{
			duck(duckGroup, 0.6, ""),
			tool(0.2, "mawk", "mawk", awkMean, inputArg),
			shell(0, "parallel mawk", "parallel", inParallel+`-q mawk '`+awkPart+`' | mawk '`+awkMerge+`'`),
			tool(0.05, "mlr", "mlr", "--icsv", "--ocsv", "--headerless-csv-output",
				"stats1", "-a", "mean", "-f", "delay", "-g", "origin", inputArg),
		}},
		{name: "csv-quoted/groupby", job: groupby, means: true, input: "quoted.csv", most: mostMB, rival: []rival{
			duck(duckGroup, 1.2, ""),
		}},
		{name: "csv/struct", input: plainFile, most: mostMB, rival: []rival{byHand("csvutil", "csv/struct by hand", 1/1.8)}},
		{name: "ndjson/filter", input: "flights.ndjson", out: ".ndjson", most: mostMB, rival: jsonRivals(2, 0.1)},
		{name: "ndjson/struct", input: "flights.ndjson", out: ".ndjson", most: mostMB, rival: jsonRivals(4, 0)},
		{name: "zstd/groupby", job: groupby, means: true, input: "flights.csv.zst", size: plainFile, most: mostMB, rival: []rival{
			unpacks(0, "zstd", "zstd", "-dcq", inputArg),
			{name: plainGroup, argv: []string{tools.job, groupby, "", filepath.Join(tools.dir, plainFile)}},
		}},
		{name: "zstd-frames/groupby", job: groupby, means: true, input: "frames.csv.zst", size: plainFile, most: mostMB, rival: []rival{
			unpacks(0.9, "zstd", "zstd", "-dcq", inputArg),
		}},
		{name: "gzip/groupby", job: groupby, means: true, input: "flights.csv.gz", size: plainFile, most: mostMB, rival: []rival{
			unpacks(0, "pigz", "pigz", "-dcp2", inputArg),
		}},
		{
			name: "csv-to-parquet", input: plainFile, out: ".parquet", look: "look parquet", most: mostParquetMB,
			rival: []rival{duck(duckParquet, 2, "")},
		},
		{
			name: "csv-to-sqlite", input: "small.csv", out: ".db", look: "look sqlite", most: mostMB, once: true,
			own:   []string{tools.flights, "-out", "{out}", "-workers", "2", inputArg},
			rival: []rival{byHand("by hand", "csv-to-sqlite by hand", 1)},
		},
		{
			name: "sort", input: "numbers.txt", out: ".txt", most: mostSortMB, once: true,
			rival: []rival{shell(1.5, "sort", "sort", `LC_ALL=C sort -S 64M --parallel=2 -T . -o '{out}' '{in}'`)},
		},
	}
}

// plainFile is the input of 484 MB.
const plainFile = "flights.csv"

// groupby is the case, and the job, of the group-by over a plain file.
const groupby = "csv/groupby"

// plainGroup is our group-by over the file that is not compressed.
const plainGroup = "penstock, plain file"

// shell is a command line, for those that need a pipe or write to stdout.
func shell(limit float64, name, needs, line string) rival {
	return rival{name: name, needs: needs, argv: []string{"sh", "-c", line}, limit: limit}
}

// fileBounds are what must be shown of a case, each beside the row that it is
// about.
func fileBounds(c fileCase, rows map[string]*fileRow) {
	ours := rows[ourName]
	if ours == nil || ours.Rounds == 0 {
		return
	}
	ours.judge(fmt.Sprintf("peak RSS <= %g MB", c.most), ours.PeakRSSMB, c.most)
	for _, r := range c.rival {
		if row := rows[r.name]; row != nil && row.Rounds > 0 && r.limit > 0 {
			row.judge("ours / "+r.name+fmt.Sprintf(" <= %.3g", r.limit), *row.Ratio, r.limit)
		}
	}
	if plain, zstd := rows[plainGroup], rows["zstd"]; plain != nil && zstd != nil && plain.Rounds > 0 && zstd.Rounds > 0 {
		const limit = 1.3
		longer := plain
		if zstd.Seconds > plain.Seconds {
			longer = zstd
		}
		longer.judge("ours / the longer of zstd and plain <= 1.3", *longer.Ratio, limit)
	}
	if ten := rows[tenTimes]; ten != nil && ten.Rounds > 0 {
		more := max(0.1*ours.PeakRSSMB, 8)
		ten.judge(fmt.Sprintf("peak RSS at most %.3g MB over that of one time", more), ten.PeakRSSMB-ours.PeakRSSMB, more)
	}
}
