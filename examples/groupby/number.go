package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// whole reads what nearly every value is: a sign or none, and 1 to 18 digits,
// which fit an int64 whatever they are. It leaves all else to number.
func whole(s string) (n int64, ok bool) {
	digits := s
	if s != "" && (s[0] == '-' || s[0] == '+') {
		digits = s[1:]
	}
	if len(digits) == 0 || len(digits) > 18 {
		return 0, false
	}
	for i := range len(digits) {
		d := digits[i] - '0'
		if d > 9 {
			return 0, false
		}
		n = 10*n + int64(d)
	}
	if s[0] == '-' {
		n = -n
	}
	return n, true
}

// number reads any decimal number: a whole one is n, another one f. A whole number
// that does not fit an int64 is an error, not rounded.
func number(s string) (n int64, f float64, err error) {
	switch {
	case strings.Trim(s, "0123456789+-") == "":
		n, err = strconv.ParseInt(s, 10, 64)
	case strings.Trim(s, "0123456789+-.eE") == "":
		f, err = strconv.ParseFloat(s, 64)
	default: // ParseFloat would take Inf, NaN and 0x1p-2
		err = strconv.ErrSyntax
	}
	if err == nil {
		return n, f, nil
	}
	if bad, ok := errors.AsType[*strconv.NumError](err); ok {
		err = bad.Err
	}
	return 0, 0, fmt.Errorf("%.40q is no number: %w", s, err)
}
