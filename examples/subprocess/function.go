package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"unicode/utf8"
)

// asFunction is the argument with which the program is the function.
const asFunction = "-serve"

// serve is what entropy.py does, for where there is no python3: a line in, a line out.
func serve(in io.Reader, out, stderr io.Writer) (code int) {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF {
			return 0
		}
		var q question
		if err == nil {
			err = json.Unmarshal(line, &q)
		}
		var b []byte
		if err == nil {
			b, err = json.Marshal(entropy(q.Text))
		}
		if err == nil {
			_, err = out.Write(append(b, '\n'))
		}
		if err != nil {
			fmt.Fprintln(stderr, err)
			return 1
		}
	}
}

// entropy is how many bits of information a character of the text has, by how often each
// occurs in it.
func entropy(text string) answer {
	counts := map[rune]int{}
	for _, r := range text {
		counts[r]++
	}
	length := utf8.RuneCountInString(text)
	bits := 0.0
	for _, n := range sorted(counts) {
		p := float64(n) / float64(length)
		bits -= p * math.Log2(p)
	}
	return answer{length, math.Round(bits*1e6)/1e6 + 0}
}

// sorted are the counts in an order that is always the same: adding them up in another
// could give another sum.
func sorted(counts map[rune]int) []int {
	all := make([]int, 0, len(counts))
	for _, n := range counts {
		all = append(all, n)
	}
	slices.Sort(all)
	return all
}
